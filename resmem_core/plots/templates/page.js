"use strict";
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["toImage"] };
const PAPER = { ink: "#1d2129", ground: "#fff" };
const PRINTED_WIDTH = 680;

function template({ ink, ground }) {
  const axis = {
    automargin: true, gridcolor: "rgba(128,128,128,0.25)", zerolinecolor: "rgba(128,128,128,0.6)",
    linecolor: "rgba(128,128,128,0.6)", title: { standoff: 12 },
  };
  const font = { color: ink, family: "system-ui, sans-serif" };
  return { layout: { font, paper_bgcolor: ground, plot_bgcolor: ground, xaxis: axis, yaxis: axis } };
}

const figures = [...document.querySelectorAll("figure[data-name]")].map((figure) => ({
  name: figure.dataset.name,
  buttons: figure.querySelectorAll("[data-format]"),
  plot: figure.querySelector(".plot"),
  given: JSON.parse(figure.querySelector("script").textContent),
}));

function draw(colors, size) {
  for (const { plot, given } of figures) {
    const layout = { uirevision: true, autosize: true, ...given.layout, ...size, template: template(colors) };
    Plotly.react(plot, given.data, layout, CONFIG);
  }
}

function drawOnScreen() {
  draw({ ink: getComputedStyle(document.body).color, ground: "rgba(0,0,0,0)" }, {});
}

for (const { name, buttons, plot } of figures) {
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const { width, height } = plot.getBoundingClientRect();
      const { format } = button.dataset;
      const shown = { data: plot.data, layout: { ...plot.layout, template: template(PAPER) } };
      Plotly.downloadImage(shown, { format, filename: name, width, height, scale: format === "png" ? 2 : 1 });
    });
  }
}

drawOnScreen();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawOnScreen);
addEventListener("beforeprint", () => draw(PAPER, { width: PRINTED_WIDTH }));
addEventListener("afterprint", drawOnScreen);

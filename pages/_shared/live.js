// The knobs, and all that follows them while one is dragged: numbers are looked up in a table that the server has judged.
//
// Mounted twice: with bytes it keeps the table (see `Lattice.packed`), with a mapping it shows the knobs. Nothing is
// worked out here that the server works out elsewhere; counts are added up and written as Python writes them.

const SVG = "http://www.w3.org/2000/svg";
const SEND_AFTER = 120; // ms without another press, after which the server is told
const ARRAYS = {
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array,
};
const KNOBS = [
  ["k", "ks", "k, neighbours"],
  ["sigma", "sigmas", "sigma, bandwidth of the distance"],
  ["temperature", "temperatures", "temperature of the base model"],
];

// Streamlit may load this file once for each mount, so what these share belongs to the window.
const { tables, views } = (globalThis[Symbol.for("resmem.live")] ??= {
  tables: new Map(), // by name; the newest last
  views: new Map(), // by the element that each is in
});

export default function (component) {
  const { data, parentElement } = component;
  if (data instanceof Uint8Array) {
    keep(data);
    return undefined;
  }
  let view = views.get(parentElement);
  if (!view) {
    view = new View(parentElement);
    views.set(parentElement, view);
  }
  view.follow(component);
  return () => {
    view.stop();
    views.delete(parentElement);
  };
}

// ---- the table

function keep(bytes) {
  const buffer = bytes.slice().buffer; // begins at 0, as typed arrays must at a multiple of their size
  const size = new Uint32Array(buffer, 0, 1)[0];
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  if (tables.has(head.name)) return;
  let at = 4 + size;
  for (const [name, kind, shape] of head.arrays) {
    const count = shape.reduce((product, n) => product * n, 1);
    head[name] = new ARRAYS[kind](buffer, at, count);
    at += Math.ceil(head[name].byteLength / 8) * 8;
  }
  head.n = sum(head.counts);
  head.base = sum(head.baseRight);
  head.cells = head.temperatures.length * head.sigmas.length * head.ks.length;
  head.total = new Uint32Array(head.cells);
  for (let c = 0, from = 0; c < head.classes.length; c++)
    for (let cell = 0; cell < head.cells; cell++) head.total[cell] += head.right[from++];
  tables.set(head.name, head);
  while (tables.size > 4) tables.delete(tables.keys().next().value);
  for (const view of views.values()) view.draw();
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

// The place in the table of the setting nearest to one, by ratio in each of its numbers.
function nearest(table, setting) {
  return KNOBS.map(([name, axis]) => {
    const off = table[axis].map((value) => Math.abs(Math.log(value / setting[name])));
    return off.indexOf(Math.min(...off));
  });
}

// ---- numbers, written as Python writes them

// One decimal; of two that are as near, the even one.
function tenths(number) {
  const tie = Number.isInteger(number * 4) && (number * 4) % 2 !== 0;
  let text = number.toFixed(1);
  if (tie && Number(text.at(-1)) % 2) {
    const other = (Math.abs(Number(text)) - 0.1).toFixed(1);
    text = number < 0 ? `-${other}` : other;
  }
  return Number(text) === 0 ? "0.0" : text;
}

const signed = (text) => (text.startsWith("-") ? text : `+${text}`);
const percent = (right, n) => `${tenths((100 * right) / n)}%`;

// Three significant digits, as `compact` in Python does for the steps of a knob.
function compact(value) {
  const text = value.toPrecision(3);
  const plain = text.includes("e") ? Number(text).toString() : text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return plain;
}

// ---- the view

class View {
  constructor(parent) {
    this.parent = parent;
    this.sent = 0; // how often the server was told
    this.local = null; // [k, sigma, temperature] as places in the table, where a knob was moved since
    this.timer = null;
  }

  follow({ data, setStateValue }) {
    this.data = data;
    this.tell = setStateValue;
    if (data.heard >= this.sent) {
      this.local = null;
      this.sent = data.heard;
    }
    this.draw();
  }

  stop() {
    clearTimeout(this.timer);
    if (this.timer) this.send();
  }

  get table() {
    return tables.get(this.data.table);
  }

  draw() {
    if (!this.data || !this.table) return;
    if (this.built !== this.data.table) this.build();
    this.places = this.local ?? nearest(this.table, this.data.setting);
    this.show();
  }

  // -- what is made once for a table

  build() {
    const { table } = this;
    this.built = this.data.table;
    const root = this.parent.querySelector("[data-live]");
    root.replaceChildren();
    this.knobs = KNOBS.map(([name, axis, label], at) => this.knob(name, axis, label, at));
    root.append(join("knobs", this.knobs.map((knob) => knob.box)));
    this.figures = {};
    const head = box("head");
    for (const [name, label] of [
      ["base", "Base accuracy"], ["resmem", "ResMem accuracy"], ["fixed", "Fixed"], ["broken", "Broken"],
    ]) {
      const card = box("card");
      card.append(text("div", "label", label), (this.figures[name] = text("div", "value", "")));
      if (name === "resmem") card.append((this.figures.gain = text("div", "gain", "")));
      head.append(card);
    }
    root.append(head);
    this.said = text("div", "said", "");
    this.said.setAttribute("aria-live", "polite");
    root.append(this.said);
    this.curve = figure("Accuracy against k", "curve", 420, 220);
    this.map = figure("Accuracy by k and sigma", "map", 420, 220);
    this.bars = figure("Gain by class, points", "bars", 420, 220);
    root.append(join("figures", [this.curve.box, this.map.box, this.bars.box]));
    this.buildMap(table);
    this.buildBars(table);
  }

  knob(name, axis, label, at) {
    const values = this.table[axis];
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: 0, max: values.length - 1, step: 1 });
    input.setAttribute("aria-label", label);
    input.dataset.knob = name;
    const value = text("output", "setting", "");
    const line = shape("svg", { viewBox: "0 0 100 18", preserveAspectRatio: "none", class: "along", "aria-hidden": "true" });
    const path = line.appendChild(shape("path", {}));
    const head = box("knobhead");
    head.append(text("span", "label", label), value);
    const whole = box("knob");
    const hint = text("div", "hint", "");
    whole.append(head, line, input, hint);
    input.addEventListener("input", () => {
      const places = [...this.places];
      places[at] = Number(input.value);
      this.local = this.places = places;
      this.show();
    });
    input.addEventListener("change", () => {
      this.sent += 1;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.send(), SEND_AFTER);
    });
    return { box: whole, input, value, path, hint, values };
  }

  send() {
    this.timer = null;
    if (!this.local) return;
    const setting = Object.fromEntries(KNOBS.map(([name, axis], at) => [name, this.table[axis][this.local[at]]]));
    this.tell("setting", { ...setting, count: this.sent });
  }

  // -- what follows the knobs

  at(k, sigma, temperature) {
    const { sigmas, ks } = this.table;
    return (temperature * sigmas.length + sigma) * ks.length + k;
  }

  show() {
    const { table, places } = this;
    const [k, sigma, temperature] = places;
    const cell = this.at(k, sigma, temperature);
    const exact = this.local ? null : this.data.exact; // of a setting that is not in the table
    const right = exact ? exact.right : table.total[cell];
    const fixed = exact ? exact.fixed : table.fixed[cell];
    const broken = table.base - (right - fixed);
    this.knobs.forEach((knob, at) => {
      const shown = exact ? this.data.setting[KNOBS[at][0]] : knob.values[places[at]];
      knob.input.value = places[at];
      knob.value.textContent = compact(shown);
      knob.input.setAttribute("aria-valuetext", compact(shown));
      knob.path.setAttribute("d", this.along(at));
    });
    const isDead = table.ks[k] === 1;
    this.knobs[1].box.classList.toggle("dead", isDead);
    this.knobs[1].hint.textContent = isDead ? "without effect at k = 1: one neighbour has all the weight" : "";
    const gain = signed(tenths((100 * (fixed - broken)) / table.n));
    const ends = exact ? exact.ends : table.ends && [table.ends[cell], table.ends[table.cells + cell]];
    const told = ends ? `${gain} points (${ends.map((end) => signed(tenths(end / 10))).join(" to ")})` : `${gain} points`;
    this.figures.base.textContent = percent(table.base, table.n);
    this.figures.resmem.textContent = percent(right, table.n);
    this.figures.gain.textContent = told;
    this.figures.gain.dataset.sign = fixed > broken ? "up" : fixed < broken ? "down" : "same";
    this.figures.fixed.textContent = fixed.toLocaleString("en");
    this.figures.broken.textContent = broken.toLocaleString("en");
    this.said.textContent = this.local ? "" : `ResMem ${percent(right, table.n)}, ${told}`;
    this.drawCurve(sigma, temperature, k);
    this.drawMap(temperature, k, sigma);
    this.drawBars(exact ? exact.byClass : null, cell);
  }

  // The accuracy along a knob, the others as they are.
  along(at) {
    const n = this.knobs[at].values.length;
    const heights = Array.from({ length: n }, (_, place) => {
      const places = [...this.places];
      places[at] = place;
      return this.table.total[this.at(...places)];
    });
    const low = Math.min(...heights), span = Math.max(...heights) - low || 1;
    return heights.map((height, i) => `${i ? "L" : "M"}${(100 * i) / (n - 1)} ${17 - (16 * (height - low)) / span}`).join("");
  }

  drawCurve(sigma, temperature, k) {
    const { table, curve } = this;
    const { ks, n } = table;
    const shares = ks.map((_, at) => table.total[this.at(at, sigma, temperature)] / n);
    const base = table.base / n, { knn } = this.data;
    const low = Math.min(base, knn, ...shares), high = Math.max(base, knn, ...shares), pad = 0.08 * (high - low) || 0.01;
    const x = (at) => 44 + (at / Math.max(1, ks.length - 1)) * 366;
    const y = (share) => 190 - ((share - low + pad) / (high - low + 2 * pad)) * 176;
    const line = shares.map((share, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(share).toFixed(1)}`).join("");
    const parts = [];
    for (const share of [low, (low + high) / 2, high])
      parts.push(label(38, y(share) + 4, percent(share, 1), "end"));
    for (const wanted of [1, 4, 16, 64, 256, 1024]) {
      const at = ks.indexOf(wanted);
      if (at >= 0) parts.push(label(x(at), 208, String(wanted), "middle"));
    }
    for (const [name, share] of [["base", base], ["soft kNN, at its own setting", knn]])
      parts.push(shape("path", { d: `M44 ${y(share)}H410`, class: name.slice(-4) === "base" ? "base" : "knn" }), label(408, y(share) - 4, name, "end"));
    parts.push(shape("path", { d: line, class: "resmem" }));
    parts.push(shape("circle", { cx: x(k), cy: y(shares[k]), r: 5, class: "here" }));
    curve.svg.replaceChildren(...parts);
    curve.svg.setAttribute("aria-label", `Test accuracy against k, ${percent(low, 1)} to ${percent(high, 1)}; base ${percent(base, 1)}`);
  }

  buildMap(table) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: table.ks.length, height: table.sigmas.length, className: "cells" });
    this.map.box.insertBefore(canvas, this.map.svg);
    this.map.canvas = canvas;
    this.map.drawn = null;
  }

  drawMap(temperature, k, sigma) {
    const { table, map } = this;
    const { ks, sigmas } = table;
    if (map.drawn !== temperature) {
      map.drawn = temperature;
      const from = this.at(0, 0, temperature), cells = sigmas.length * ks.length;
      let most = 1;
      for (let cell = from; cell < from + cells; cell++) most = Math.max(most, Math.abs(table.total[cell] - table.base));
      const context = map.canvas.getContext("2d");
      const image = context.createImageData(ks.length, sigmas.length);
      for (let s = 0; s < sigmas.length; s++)
        for (let g = 0; g < ks.length; g++) {
          const share = (table.total[from + s * ks.length + g] - table.base) / most;
          const [red, green, blue] = share >= 0 ? [47, 134, 214] : [224, 98, 43]; // as the pages' figures have them
          const pixel = 4 * ((sigmas.length - 1 - s) * ks.length + g);
          image.data.set([red, green, blue, Math.round(255 * Math.abs(share))], pixel);
        }
      context.putImageData(image, 0, 0);
    }
    const x = 44 + ((k + 0.5) / ks.length) * 366, y = 14 + (1 - (sigma + 0.5) / sigmas.length) * 176;
    const parts = [shape("circle", { cx: x, cy: y, r: 5, class: "here" })];
    for (const wanted of [1, 4, 16, 64, 256, 1024]) {
      const at = ks.indexOf(wanted);
      if (at >= 0) parts.push(label(44 + ((at + 0.5) / ks.length) * 366, 208, String(wanted), "middle"));
    }
    for (const at of [0, sigmas.length >> 1, sigmas.length - 1])
      parts.push(label(38, 18 + (1 - (at + 0.5) / sigmas.length) * 176, compact(sigmas[at]), "end"));
    map.svg.replaceChildren(...parts);
    map.svg.setAttribute("aria-label", `Accuracy less that of base for every k and sigma: blue above, orange below; now k ${ks[k]}, sigma ${compact(sigmas[sigma])}`);
  }

  buildBars(table) {
    this.shown = table.classes.map((_, c) => c).filter((c) => table.counts[c]);
    const names = this.shown.length <= 24;
    const longest = Math.max(...this.shown.map((c) => cut(table.classes[c], 14).length));
    this.bars.left = names ? 16 + 6.5 * longest : 8;
    const step = 176 / this.shown.length;
    this.bars.parts = this.shown.map((c, at) => {
      const bar = shape("rect", { y: 14 + at * step + 0.1 * step, height: 0.8 * step });
      const title = bar.appendChild(shape("title", {}));
      const value = names ? label(0, 14 + (at + 0.5) * step + 4, "", "start") : null;
      return { bar, title, value, name: names ? label(this.bars.left - 8, 14 + (at + 0.5) * step + 4, cut(table.classes[c], 14), "end") : null };
    });
    const zero = (this.bars.zero = shape("path", { class: "zero" }));
    this.bars.svg.replaceChildren(
      ...this.bars.parts.flatMap((part) => [part.bar, part.name, part.value].filter(Boolean)), zero,
    );
  }

  drawBars(byClass, cell) {
    const { table, bars } = this;
    const gains = this.shown.map((c) => {
      const right = byClass ? byClass[c] : table.right[c * table.cells + cell];
      return (100 * (right - table.baseRight[c])) / table.counts[c];
    });
    const low = Math.min(0, ...gains), high = Math.max(0, ...gains), span = high - low || 1;
    const left = bars.left + (low < 0 && bars.parts[0].value ? 40 : 0), width = 372 - left;
    const x = (gain) => left + ((gain - low) / span) * width;
    bars.zero.setAttribute("d", `M${x(0)} 12V192`);
    bars.parts.forEach((part, at) => {
      const gain = gains[at], from = Math.min(x(0), x(gain));
      part.bar.setAttribute("x", from);
      part.bar.setAttribute("width", Math.max(0.5, Math.abs(x(gain) - x(0))));
      part.bar.setAttribute("class", gain < 0 ? "worse" : "better");
      const told = signed(tenths(gain));
      part.title.textContent = `${table.classes[this.shown[at]]}: ${told} points, ${table.counts[this.shown[at]].toLocaleString("en")} test points`;
      if (part.value) {
        part.value.textContent = told;
        part.value.setAttribute("x", gain < 0 ? from - 4 : from + Math.abs(x(gain) - x(0)) + 4);
        part.value.setAttribute("text-anchor", gain < 0 ? "end" : "start");
      }
    });
    bars.svg.setAttribute("aria-label", `Gain by class: ${this.shown.length} classes, ${signed(tenths(Math.min(...gains)))} to ${signed(tenths(Math.max(...gains)))} points`);
  }
}

// ---- elements

function box(name) {
  const made = document.createElement("div");
  made.className = name;
  return made;
}

function join(name, parts) {
  const made = box(name);
  made.append(...parts);
  return made;
}

function text(kind, name, words) {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = words;
  return made;
}

function shape(kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function label(x, y, words, anchor) {
  const made = shape("text", { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}

function figure(title, name, width, height) {
  const made = box(`figure ${name}`);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  made.append(text("h2", "title", title), svg);
  return { box: made, svg };
}

const cut = (words, length) => (words.length > length ? `${words.slice(0, length - 1)}…` : words);

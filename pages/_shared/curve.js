// A curve in panels, one below the other over the same x: target and network, residuals, what memory makes of them, and
// the sum. `resmem_core.teaching.curve` works out the same; a test in a browser compares the two.

const TITLE = 22, GAP = 8, LEFT = 34, RIGHT = 6, BOTTOM = 18; // pixels

// What memory adds at each place of the grid: x is in order, so the nearest points lie around each place.
function fitOfResiduals({ x, residual, grid, auto }, { k, sigma }) {
  const n = x.length, voting = Math.min(k, n), steep = Math.min(1 / (sigma === "auto" ? auto : sigma), Number.MAX_VALUE);
  let right = 0;
  return Float64Array.from(grid, (place) => {
    while (right < n && x[right] < place) right++;
    let low = right - 1, high = right, nearest = NaN, weights = 0, sum = 0;
    for (let found = 0; found < voting; found++) {
      const isLeft = high >= n || (low >= 0 && place - x[low] <= x[high] - place);
      const at = isLeft ? low-- : high++, distance = Math.abs(place - x[at]);
      if (found === 0) nearest = distance;
      const weight = Math.exp((nearest - distance) * steep);
      weights += weight;
      sum += weight * residual[at];
    }
    return sum / weights;
  });
}

class Curve extends Turned {
  build({ colors, legend }) {
    this.plot = canvas("curve");
    this.plot.setAttribute("role", "img");
    this.plot.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.plot.addEventListener("pointerleave", () => this.point(null));
    this.says = text("span", "says", "");
    const key = Object.entries(legend).map(([name, words]) => {
      const sample = box("sample");
      sample.style.background = colors[name];
      sample.dataset.line = name;
      return join("key", [sample, words]);
    });
    this.body.replaceChildren(join("legend", [...key, this.says]), this.plot);
    // What is shown, for whoever wants to compare: arrays by name, and the setting that they are of.
    Object.defineProperty(this.root, "shown", { configurable: true, get: () => this.shown });
  }

  show(scene, setting) {
    const built = Object.values(this.data.legend).join(" ");
    if (this.built !== built) this.build(this.data);
    this.built = built;
    const memory = fitOfResiduals(scene, setting);
    this.shown = { memory, resmem: memory.map((added, at) => scene.base[at] + added), k: setting.k, sigma: setting.sigma };
    this.plot.setAttribute("aria-label", this.data.alt);
    this.plot.style.height = `${this.data.height}px`;
    this.context = fitted(this.plot);
    const { titles } = this.data, all = this.plot.clientHeight - BOTTOM;
    const each = all / titles.length - TITLE - GAP;
    titles.forEach((title, at) => this.panel(scene, title, at, at * (each + TITLE + GAP) + TITLE, each, at === titles.length - 1));
    if (this.pointed != null) this.point(this.pointed);
  }

  panel(scene, title, number, top, height, isLast) {
    const { context, plot, data } = this, { colors } = data, { x, y, residual, grid, target, base } = scene;
    const isRest = number === 1 || number === 2; // residuals with residuals, values with values
    const values = isRest ? [residual, target.map((value) => 0.2 * Math.abs(value)), target.map((value) => -0.2 * Math.abs(value))] : [target, y, base];
    const least = Math.min(...values.map((some) => Math.min(...some))), most = Math.max(...values.map((some) => Math.max(...some)));
    const low = least - 0.08 * (most - least), high = most + 0.08 * (most - least);
    const width = plot.clientWidth - LEFT - RIGHT;
    const across = (place) => LEFT + ((place + 1.02) / 2.04) * width;
    const up = (value) => top + (1 - (value - low) / (high - low)) * height;
    const style = getComputedStyle(this.root);
    const words = (said, column, row, align, weight = 400, size = 11) => {
      context.font = `${weight} ${size}px ${style.fontFamily}`;
      context.fillStyle = style.color;
      context.textAlign = align;
      context.fillText(said, column, row);
    };
    words(title, LEFT, top - 7, "left", 600, 13);
    context.lineWidth = 1;
    context.strokeStyle = colors.grid;
    for (const value of ticks(low, high)) {
      context.beginPath();
      context.moveTo(LEFT, up(value));
      context.lineTo(LEFT + width, up(value));
      context.stroke();
      words(String(value).replace("-", "−"), LEFT - 6, up(value) + 4, "right");
    }
    if (isLast) for (const place of [-1, -0.5, 0, 0.5, 1]) words(String(place).replace("-", "−"), across(place), top + height + 14, "center");
    context.save();
    context.beginPath();
    context.rect(LEFT, top, width, height);
    context.clip();
    const line = (some, color, wide = 2, opacity = 1) => {
      context.globalAlpha = opacity;
      context.strokeStyle = color;
      context.lineWidth = wide;
      context.lineJoin = "round";
      context.beginPath();
      some.forEach((value, at) => context.lineTo(across(grid[at]), up(value)));
      context.stroke();
      context.globalAlpha = 1;
    };
    const dots = (some, color) => {
      context.fillStyle = color;
      context.beginPath();
      some.forEach((value, at) => {
        context.moveTo(across(x[at]) + 2, up(value));
        context.arc(across(x[at]), up(value), 2, 0, 2 * Math.PI);
      });
      context.fill();
    };
    if (!isRest) line(target, colors.target, 7, 0.35);
    if (number === 0) dots(y, colors.points);
    if (!isRest) line(base, colors.base);
    if (number === 1) {
      context.strokeStyle = colors.memory;
      context.beginPath();
      residual.forEach((value, at) => {
        context.moveTo(across(x[at]), up(0));
        context.lineTo(across(x[at]), up(value));
      });
      context.stroke();
    }
    if (isRest) dots(residual, colors.memory);
    if (number === 2) line(this.shown.memory, colors.memory);
    if (number === 3) line(this.shown.resmem, colors.resmem);
    context.restore();
  }

  // Tells of all lines above the place that is pointed at; of none, nothing.
  point(column) {
    this.pointed = column;
    this.says.textContent = "";
    if (column === null) return;
    const { grid, target, base } = this.scene, width = this.plot.clientWidth - LEFT - RIGHT;
    const share = ((column - LEFT) / width) * 2.04 - 1.02;
    const at = Math.max(0, Math.min(grid.length - 1, Math.round(((share + 1) / 2) * (grid.length - 1))));
    const lines = { target, network: base, memory: this.shown.memory, sum: this.shown.resmem };
    const told = Object.entries(lines).slice(0, [2, 2, 3, 4][this.data.titles.length - 1]);
    this.says.textContent = [`x ${grid[at].toFixed(2)}`, ...told.map(([name, some]) => `${name} ${some[at].toFixed(3)}`)]
      .join(" · ").replaceAll("-", "−");
  }
}

// Three to five round values between two.
function ticks(low, high) {
  const raw = (high - low) / 4, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const first = Math.ceil(low / step), last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(6)));
}

export default (component) => mounted("curve", Curve, component);

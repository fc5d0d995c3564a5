// The plane in panels: what base, memory, their sum and soft kNN say of every place, with the training points.

const MOST_LINKS = 50;
const UNITS = 1000; // in which sizes of points are told, along each side of a panel

class Plane extends Turned {
  build({ panels }) {
    this.panels = panels.map((panel) => this.panel(panel));
    this.body.replaceChildren(join(`panels of-${panels.length}`, this.panels.map((panel) => panel.box)));
    // What is shown, for whoever wants to compare: arrays by name, and the setting that they are of.
    Object.defineProperty(this.root, "shown", { configurable: true, get: () => this.shown });
  }

  panel({ name, title, unit, ticks }) {
    const surface = canvas("surface"), borders = canvas("over"), points = canvas("over points");
    const square = join("square", [surface, borders, points]);
    square.setAttribute("role", "img");
    square.dataset.panel = name;
    square.addEventListener("click", (event) => this.click(...this.placeOf(event)));
    square.addEventListener("pointermove", (event) => this.point(this.placeOf(event)));
    square.addEventListener("pointerleave", () => this.point(null));
    const says = text("span", "says", "");
    const bar = box("bar");
    bar.style.background = `linear-gradient(to right, ${this.scale(name).join(", ")})`;
    const foot = join("foot", [bar, join("ticks", ticks.map((tick) => text("span", "", tick))), text("div", "unit", unit)]);
    const whole = join(`panel ${name}`, [join("panelhead", [text("h2", "title", title), says]), square, foot]);
    return { name, box: whole, square, surface, borders, points, says };
  }

  // The colours of a panel's values, from the lowest to the highest.
  scale(name) {
    const { classes, pushes, neutral } = this.data.colors;
    const [low, high] = name === "memory" ? pushes : classes;
    return [low, neutral, high];
  }

  placeOf(event) {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect(), { extent } = this.scene;
    const along = (share) => Math.min(1, Math.max(0, share)) * 2 * extent - extent;
    return [along((event.clientX - left) / width), -along((event.clientY - top) / height)];
  }

  // Tells of the place that is pointed at, in all panels; of none, nothing.
  point(place) {
    this.pointed = place;
    const { side, extent } = this.scene;
    for (const { name, says } of this.panels) {
      if (!place) {
        says.textContent = "";
        continue;
      }
      const [column, row] = place.map((at) => Math.min(side - 1, Math.floor(((at + extent) / (2 * extent)) * side)));
      const value = 100 * this.shown[name][row * side + column];
      const sign = name === "memory" && value >= 0 ? "+" : "";
      says.textContent = `(${place.map((at) => at.toFixed(2)).join(", ")}) ${sign}${value.toFixed(0)} %`.replaceAll("-", "−");
    }
  }

  show(scene, setting) {
    // Not with every scene: a press would end on another element than it began on, and be none.
    const built = this.data.panels.map((panel) => panel.name).join(" ");
    if (this.built !== built) this.build(this.data);
    this.built = built;
    const { k, sigma, temperature } = setting, of = [scene.name, k, sigma, temperature].join(" ");
    if (this.of !== of) this.shown = { ...surfaces(scene, setting), k, sigma, temperature };
    this.of = of;
    const voters = this.data.asked ? votes(scene, this.data.asked, setting) : [];
    const line = { base: levelLines(this.shown.base, scene.side, 0.5) };
    const size = this.panels[0].points.clientWidth;
    const drawn = JSON.stringify([scene.name, built, size, this.data.asked, this.data.asked && setting]);
    for (const [at, panel] of this.panels.entries()) {
      panel.square.setAttribute("aria-label", this.data.panels[at].alt);
      this.paint(panel, scene);
      if (panel.name !== "memory") line[panel.name] ??= levelLines(this.shown[panel.name], scene.side, 0.5);
      this.drawBorders(panel, scene, line);
      if (this.drawn !== drawn) this.drawPoints(panel, scene, voters);
    }
    this.drawn = drawn;
    if (this.pointed) this.point(this.pointed);
  }

  paint({ name, surface }, { side }) {
    if (surface.width !== side) surface.width = surface.height = side;
    const context = surface.getContext("2d"), image = context.createImageData(side, side);
    const pixels = new Uint32Array(image.data.buffer), colors = (this.colors ??= {});
    const steps = (colors[name] ??= gradient(this.scale(name)));
    const values = this.shown[name], low = name === "memory" ? -1 : 0, last = steps.length - 1;
    for (let row = 0; row < side; row++)
      for (let column = 0, from = row * side, to = (side - 1 - row) * side; column < side; column++) {
        const share = (values[from + column] - low) / (1 - low);
        pixels[to + column] = steps[share <= 0 ? 0 : share >= 1 ? last : Math.round(share * last)];
      }
    context.putImageData(image, 0, 0);
  }

  drawBorders({ name, borders }, { side }, line) {
    const context = fitted(borders), { ink, paper } = this.data.colors;
    const step = borders.clientWidth / side;
    const stroke = (pieces, width) => {
      context.beginPath();
      for (let at = 0; at < pieces.length; at += 4) {
        context.moveTo((pieces[at] + 0.5) * step, (side - 0.5 - pieces[at + 1]) * step);
        context.lineTo((pieces[at + 2] + 0.5) * step, (side - 0.5 - pieces[at + 3]) * step);
      }
      for (const [color, wide] of [[paper, width + 1.5], [ink, width]]) {
        context.strokeStyle = color;
        context.lineWidth = wide;
        context.stroke();
      }
    };
    context.lineCap = "round";
    if (name === "resmem") stroke(line.base, 0.75);
    if (name !== "memory") stroke(line[name], 1.75);
  }

  drawPoints({ name, points }, scene, voters) {
    const context = fitted(points), { dots, pushes, paper, ink } = this.data.colors;
    const { x, y, label, flipped, added, extent } = scene;
    const width = points.clientWidth, unit = width / UNITS;
    const size = Math.min(17, Math.max(8.5, 320 / Math.sqrt(x.length))) * unit; // across
    const at = (i, j) => [((i + extent) / (2 * extent)) * width, ((extent - j) / (2 * extent)) * width];
    const round = (column, row, radius) => {
      context.moveTo(column + radius, row);
      context.arc(column, row, radius, 0, 2 * Math.PI);
    };
    for (const one of [0, 1])
      for (const [isKind, scale, rim, rimWidth] of [
        [(i) => !flipped[i] && !added[i], 1, paper, 2 * unit],
        [(i) => added[i], 1.5, ink, 4 * unit],
      ]) {
        for (const [color, radius] of [[rim, (scale * size) / 2 + rimWidth], [dots[one], (scale * size) / 2]]) {
          context.beginPath();
          for (let i = 0; i < x.length; i++) if (label[i] === one && isKind(i)) round(...at(x[i], y[i]), radius);
          context.fillStyle = color;
          context.fill();
        }
      }
    context.lineCap = "round";
    for (const one of [0, 1])
      for (const [color, wide] of [[paper, 0.45 * size + 4 * unit], [dots[one], 0.45 * size]]) {
        context.beginPath();
        for (let i = 0; i < x.length; i++) {
          if (label[i] !== one || !flipped[i]) continue;
          const [column, row] = at(x[i], y[i]), reach = 0.6 * size;
          for (const slant of [reach, -reach]) {
            context.moveTo(column - reach, row - slant);
            context.lineTo(column + reach, row + slant);
          }
        }
        context.strokeStyle = color;
        context.lineWidth = wide;
        context.stroke();
      }
    const { asked } = this.data;
    if (!asked) return;
    const where = at(asked.x, asked.y);
    if (name === "memory") {
      const heaviest = voters[0].weight;
      for (const { id, weight, adds } of voters.slice(0, MOST_LINKS)) {
        const there = at(x[id], y[id]);
        context.strokeStyle = pushes[Number(adds > 0)];
        context.lineWidth = 1.5 + weight / heaviest;
        context.beginPath();
        context.moveTo(...where);
        context.lineTo(...there);
        context.stroke();
        context.lineWidth = 2.5;
        context.beginPath();
        round(...there, 5 + 4 * Math.sqrt(weight / heaviest));
        context.stroke();
      }
    }
    star(context, where, asked.color, paper);
  }
}

// A scale of 256 colours through the ones given, as pixels.
function gradient(colors) {
  const parts = colors.map((color) => [1, 3, 5].map((from) => parseInt(color.slice(from, from + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, at) => {
    const along = (at / 255) * (parts.length - 1), first = Math.min(parts.length - 2, Math.floor(along));
    const [red, green, blue] = parts[first].map((value, i) => Math.round(value + (along - first) * (parts[first + 1][i] - value)));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}

function star(context, [column, row], color, rim) {
  context.beginPath();
  for (let corner = 0; corner < 10; corner++) {
    const radius = corner % 2 ? 4.6 : 11, angle = (Math.PI * corner) / 5;
    context.lineTo(column + radius * Math.sin(angle), row - radius * Math.cos(angle));
  }
  context.closePath();
  context.fillStyle = color;
  context.fill();
  context.strokeStyle = rim;
  context.lineWidth = 1.5;
  context.stroke();
}

export default (component) => mounted("plane", Plane, component);

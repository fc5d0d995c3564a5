// The knobs, and all that follows them while one is dragged: numbers are looked up in a table that the server has judged.
//
// Mounted several times in a page: with bytes it keeps the table (see `Lattice.packed`), with a mapping it shows the
// knobs, the headline or the figures, which share where the knobs stand. Nothing is worked out here that the server works
// out elsewhere; counts are added up and written as Python writes them.

const ASK_AFTER = 1500; // ms without a table that the server takes to be here
const AXES = { k: "ks", sigma: "sigmas", temperature: "temperatures" }; // of the table, by the name of the knob

// Streamlit may load this file once for each mount, so what these share belongs to the window.
const shared = (globalThis[Symbol.for("resmem.live")] ??= {
  tables: new Map(), // by name; the newest last
  views: new Map(), // by the element that each is in
  turned: null, // the setting that the knobs stand at, where one was turned since the server answered
  count: 0, // how often a knob was turned
});
const { tables, views } = shared;

export default function (component) {
  const { data, parentElement } = component;
  if (data instanceof Uint8Array) {
    keep(data);
    return undefined;
  }
  let view = views.get(parentElement);
  if (!view) {
    view = new { knobs: Knobs, headline: Headline, figures: Figures }[data.shows](parentElement);
    views.set(parentElement, view);
  }
  view.follow(component);
  return () => {
    view.stop();
    views.delete(parentElement);
  };
}

function turn(setting) {
  shared.turned = setting;
  shared.count += 1;
  for (const view of views.values()) view.draw();
}

// ---- the table

function keep(bytes) {
  const head = unpacked(bytes);
  if (tables.has(head.name)) return;
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

// The place in the table of the setting nearest to one: of k, of sigma and of temperature.
const placed = (table, setting) => Object.entries(AXES).map(([name, axis]) => nearest(table[axis], setting[name]));

// Whether the table knows that very setting: an address, or a click in the grid, may name one between its steps.
const knows = (table, setting) => Object.entries(AXES).every(([name, axis]) => table[axis].includes(setting[name]));

const cellOf = ({ sigmas, ks }, [k, sigma, temperature]) => (temperature * sigmas.length + sigma) * ks.length + k;

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
// Divided first, then times 100, as there: the other way round is another number where it is as near to two tenths.
const points = (share) => signed(tenths(100 * share));
const percent = (right, n) => `${tenths((right / n) * 100)}%`;

// ---- the views

class View {
  constructor(parent) {
    this.parent = parent;
    this.root = parent.querySelector("[data-live]");
  }

  follow({ data, setStateValue }) {
    this.data = data;
    this.tell = setStateValue;
    if (data.shows === "knobs" && !data.brief && data.table && !this.table) this.wants(data.table);
    this.draw();
  }

  stop() {}

  // The table comes with the page it is first shown on, but a page that was left too early may not have had it.
  wants(name) {
    setTimeout(() => {
      if (this.data.table === name && !this.table) this.tell("lacks", name);
    }, ASK_AFTER);
  }

  get table() {
    return tables.get(this.data.table);
  }

  // Whether the server has answered to the last turn: what it says is shown then.
  get settled() {
    return !shared.turned || this.data.heard >= shared.count;
  }

  get setting() {
    return this.settled ? this.data.setting : shared.turned;
  }

  draw() {
    if (!this.data) return;
    const kind = this.kind();
    if (kind === null) return;
    if (this.built !== kind) {
      this.built = kind;
      this.root.replaceChildren();
      this.build();
    }
    this.show();
  }
}

class Knobs extends View {
  // Built anew where this is another; null where there is nothing to show.
  kind() {
    return JSON.stringify(this.data.knobs);
  }

  build() {
    this.knobs = this.data.knobs.map((knob) => this.knob(knob));
    this.root.append(join(this.data.brief ? "knobs brief" : "knobs", this.knobs.map((knob) => knob.box)));
  }

  knob({ name, label, values, help }) {
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: 0, max: values.length - 1, step: 1, title: help });
    input.setAttribute("aria-label", label);
    input.dataset.knob = name;
    const value = text("output", "setting", "");
    const line = shape("svg", { viewBox: "0 0 100 18", preserveAspectRatio: "none", class: "along", "aria-hidden": "true" });
    const path = line.appendChild(shape("path", {}));
    const head = box("knobhead");
    head.append(text("span", "label", this.data.brief ? name : label), value);
    const whole = box("knob");
    const hint = text("div", "hint", "");
    whole.append(head, line, input, hint);
    input.addEventListener("input", () => turn({ ...this.setting, [name]: values[Number(input.value)] }));
    input.addEventListener("change", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.send(), SEND_AFTER);
    });
    return { name, values, box: whole, input, value, line, path, hint };
  }

  send() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.settled) return;
    const moved = Object.entries(shared.turned).filter(([name, value]) => value !== this.data.setting[name]);
    this.tell("setting", { ...Object.fromEntries(moved), count: shared.count });
  }

  stop() {
    if (this.timer) this.send();
  }

  show() {
    const { setting, table } = this;
    const places = table && placed(table, setting);
    for (const knob of this.knobs) {
      const told = compact(setting[knob.name]);
      knob.input.value = nearest(knob.values, setting[knob.name]);
      knob.value.textContent = told;
      knob.input.setAttribute("aria-valuetext", told);
      const axis = Object.keys(AXES).indexOf(knob.name);
      knob.line.toggleAttribute("hidden", !table || axis < 0);
      if (table && axis >= 0) knob.path.setAttribute("d", along(table, places, axis));
      const isDead = knob.name === "sigma" && setting.k === 1;
      knob.box.classList.toggle("dead", isDead);
      knob.hint.textContent = isDead ? "without effect at k = 1: one neighbour has all the weight" : "";
    }
  }
}

// What an interval says: above 0, below it, or neither.
const sign = (low, high) => (low > 0 ? "up" : high < 0 ? "down" : "same");

const between = (ends) => (ends ? ` (${ends.map((end) => signed(tenths(end / 10))).join(" to ")})` : "");

// The accuracy along a knob, the others as they are.
function along(table, places, axis) {
  const n = table[Object.values(AXES)[axis]].length;
  const heights = Array.from({ length: n }, (_, place) => table.total[cellOf(table, places.with(axis, place))]);
  const low = Math.min(...heights), span = Math.max(...heights) - low || 1;
  return heights.map((height, i) => `${i ? "L" : "M"}${(100 * i) / (n - 1)} ${17 - (16 * (height - low)) / span}`).join("");
}

class Headline extends View {
  kind() {
    return "";
  }

  build() {
    this.parts = {};
    const part = (name, kind = "span") => (this.parts[name] = text(kind, name, ""));
    const base = box("figure-of"), resmem = box("figure-of"), counts = box("counts");
    base.append(part("baseName"), " ", part("base", "b"));
    resmem.append(part("resmemName"), " ", part("resmem", "b"));
    counts.append(part("fixed", "b"), " ", part("fixedName"), " · ", part("broken", "b"), " ", part("brokenName"));
    const chips = [part("gain"), part("rival"), counts, part("hand")];
    this.root.append(join("headline", [base, resmem, ...chips]));
    this.said = text("div", "said", "");
    this.said.setAttribute("role", "status");
    this.root.append(this.said);
  }

  show() {
    const told = this.settled ? this.data.told : this.followed();
    for (const [name, part] of Object.entries(this.parts)) part.textContent = told[name] ?? this.data.told[name];
    this.parts.gain.dataset.sign = told.sign;
    this.parts.gain.title = this.data.told.scope;
    this.root.firstChild.classList.toggle("waiting", told.sign === "waiting");
    if (this.settled) this.said.textContent = `${told.resmemName} ${told.resmem}, ${told.gain}`;
  }

  // What the table says of where the knobs stand; where it does not know that, the server is waited for.
  followed() {
    const { table, data, setting } = this;
    const hand = Object.keys(setting).every((name) => setting[name] === data.chosen[name]) ? "" : data.hand;
    if (!table || !knows(table, setting)) return { hand, gain: "…", rival: "", resmem: "…", fixed: "…", broken: "…", sign: "waiting" };
    const cell = cellOf(table, placed(table, setting));
    const right = table.total[cell], fixed = table.fixed[cell], broken = table.base - (right - fixed);
    const middle = points((fixed - broken) / table.n);
    const ends = table.ends && [table.ends[cell], table.ends[table.cells + cell]];
    const { rival } = data;
    const rivalEnds = table.rivalEnds && [table.rivalEnds[cell], table.rivalEnds[table.cells + cell]];
    return {
      resmem: percent(right, table.n),
      gain: `${middle} points${between(ends)}`,
      sign: sign(...(ends ?? [fixed - broken, fixed - broken])),
      rival: `${rival.name} ${percent(rival.right, table.n)}: ${points((right - rival.right) / table.n)}${between(rivalEnds)}`,
      fixed: fixed.toLocaleString("en"),
      broken: broken.toLocaleString("en"),
      hand,
    };
  }
}

class Figures extends View {
  kind() {
    return this.table ? this.data.table : null;
  }

  build() {
    this.curve = figure("Accuracy against k", "curve", 420, 220);
    this.map = figure("All k and sigma: blue above base, ☆ chosen on validation", "map", 420, 220);
    this.bars = figure("Gain by class, points", "bars", 420, 220);
    this.methods = figure("Methods, each at its own setting", "methods", 420, 220);
    this.root.append(join("figures", [this.curve.box, this.map.box, this.bars.box, this.methods.box]));
    this.buildMap(this.table);
    this.buildBars(this.table);
  }

  at(...places) {
    return cellOf(this.table, places);
  }

  show() {
    const { table } = this;
    if (!this.settled && !knows(table, this.setting)) return;
    const [k, sigma, temperature] = placed(table, this.setting);
    this.drawCurve(sigma, temperature, k);
    this.drawMap(temperature, k, sigma);
    const cell = this.at(k, sigma, temperature), byClass = this.settled ? this.data.byClass : null;
    this.drawBars(byClass, cell);
    this.drawMethods(byClass ? sum(byClass) : table.total[cell]);
  }

  drawCurve(sigma, temperature, k) {
    const { table, curve } = this;
    const { ks, n } = table;
    const shares = ks.map((_, at) => table.total[this.at(at, sigma, temperature)] / n);
    const base = table.base / n, knn = this.data.rivals.knn.right / n;
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
    const best = placed(table, this.data.chosen);
    const star = { x: 44 + ((best[0] + 0.5) / ks.length) * 366, y: 18 + (1 - (best[1] + 0.5) / sigmas.length) * 176 };
    const parts = [label(star.x, star.y, "☆", "middle"), shape("circle", { cx: x, cy: y, r: 5, class: "here" })];
    for (const wanted of [1, 4, 16, 64, 256, 1024]) {
      const at = ks.indexOf(wanted);
      if (at >= 0) parts.push(label(44 + ((at + 0.5) / ks.length) * 366, 208, String(wanted), "middle"));
    }
    for (const at of [0, sigmas.length >> 1, sigmas.length - 1])
      parts.push(label(38, 18 + (1 - (at + 0.5) / sigmas.length) * 176, compact(sigmas[at]), "end"));
    map.svg.replaceChildren(...parts);
    map.svg.setAttribute("aria-label", `Accuracy less that of base for every k and sigma: blue above, orange below; now k ${ks[k]}, sigma ${compact(sigmas[sigma])}`);
  }

  drawMethods(right) {
    const { table, methods } = this;
    const rows = [...Object.entries(this.data.rivals), ["resmem", { name: "ResMem", right }]];
    const shares = rows.map(([, row]) => row.right / table.n);
    const low = Math.min(...shares), high = Math.max(...shares), pad = 0.1 * (high - low) || 0.01;
    const x = (share) => 150 + ((share - low + pad) / (high - low + 2 * pad)) * 250;
    const parts = rows.flatMap(([method, row], at) => {
      const y = 34 + at * 44;
      return [
        shape("path", { d: `M150 ${y}H400`, class: "level" }),
        shape("circle", { cx: x(shares[at]), cy: y, r: 6, class: `dot of-${method}` }),
        label(140, y + 4, `${row.name} ${percent(row.right, table.n)}`, "end"),
      ];
    });
    methods.svg.replaceChildren(...parts);
    methods.svg.setAttribute("aria-label", rows.map(([, row]) => `${row.name} ${percent(row.right, table.n)}`).join(", "));
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
      return 100 * (right / table.counts[c] - table.baseRight[c] / table.counts[c]);
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

// What the scripts of components have in common; set before each of them.

const SVG = "http://www.w3.org/2000/svg";
const SEND_AFTER = 120; // ms without another press, after which the server is told
const ARRAYS = {
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array, float32: Float32Array, float64: Float64Array,
};

// See `resmem_core.common.packing`.
function unpacked(bytes) {
  const buffer = bytes.slice().buffer; // begins at 0, as typed arrays must at a multiple of their size
  const size = new Uint32Array(buffer, 0, 1)[0];
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let at = 4 + size;
  for (const [name, kind, shape] of head.arrays) {
    head[name] = new ARRAYS[kind](buffer, at, shape.reduce((product, n) => product * n, 1));
    at += Math.ceil(head[name].byteLength / 8) * 8;
  }
  return head;
}

// The place of the step nearest to a value, by ratio where the steps are above 0; a word is found as it is.
function nearest(steps, value) {
  if (steps.includes(value)) return steps.indexOf(value);
  const byRatio = steps.every((step) => typeof step === "string" || step > 0);
  const off = steps.map((step) => {
    if (typeof step === "string") return Infinity;
    return Math.abs(byRatio ? Math.log(step / value) : step - value);
  });
  return off.indexOf(Math.min(...off));
}

// Three significant digits, as `compact` in Python; words are left.
function compact(value) {
  if (typeof value === "string") return value;
  const text = value.toPrecision(3);
  return text.includes("e") ? Number(text).toString() : text.includes(".") ? text.replace(/\.?0+$/, "") : text;
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

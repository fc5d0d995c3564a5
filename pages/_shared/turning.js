// Knobs that a figure follows in the browser; the server is told when one is let go, and of every click with it.
//
// Set before the script of a component, which shows the figure: a `Turned` whose `build` and `show` draw it.

// Streamlit may load this file once for each mount, so what mounts of one name share belongs to the window.
const sharedBy = (name) =>
  (globalThis[Symbol.for(`resmem.${name}`)] ??= {
    scenes: new Map(), // by name; the newest last
    views: new Map(), // by the element that each is in
    made: new WeakMap(), // likewise: Streamlit may end a mount and begin it again in one element, which has the focus
    turned: {}, // what was turned since the server answered
    clicks: [], // of which it has not told that it heard them, each with its number
    count: 0, // of turns and clicks
  });

// What a component does when it is mounted or told something new: bytes are a scene, a mapping is what to show of one.
function mounted(name, kind, { data, parentElement, setStateValue }) {
  const shared = sharedBy(name);
  if (data instanceof Uint8Array) {
    const scene = unpacked(data);
    if (!shared.scenes.has(scene.name)) shared.scenes.set(scene.name, scene);
    while (shared.scenes.size > 3) shared.scenes.delete(shared.scenes.keys().next().value);
    for (const view of shared.views.values()) view.draw();
    return undefined;
  }
  const view = shared.made.get(parentElement) ?? new kind(parentElement, shared);
  shared.made.set(parentElement, view);
  shared.views.set(parentElement, view);
  view.follow(data, setStateValue);
  return () => {
    view.stop();
    shared.views.delete(parentElement);
  };
}

class Turned {
  constructor(parent, shared) {
    this.shared = shared;
    this.root = parent.querySelector("[data-turned]");
    this.knobs = new Map();
    this.row = this.root.appendChild(box("knobs"));
    this.body = this.root.appendChild(box("body"));
    this.watch = new ResizeObserver(() => this.draw());
  }

  follow(data, tell) {
    this.data = data;
    this.tell = tell;
    this.watch.observe(this.body);
    this.shared.clicks = this.shared.clicks.filter(([number]) => number > data.heard);
    this.draw();
  }

  stop() {
    this.watch.disconnect();
    if (this.timer) this.send();
  }

  get scene() {
    return this.shared.scenes.get(this.data.scene);
  }

  // Whether the server has answered to the last turn.
  get settled() {
    return this.data.heard >= this.shared.count;
  }

  get setting() {
    return this.settled ? this.data.setting : { ...this.data.setting, ...this.shared.turned };
  }

  turn(name, value) {
    this.shared.turned = this.settled ? { [name]: value } : { ...this.shared.turned, [name]: value };
    this.shared.count += 1;
    for (const view of this.shared.views.values()) view.later();
  }

  click(...place) {
    if (this.settled) this.shared.turned = {};
    this.shared.clicks.push([(this.shared.count += 1), ...place]);
    this.send();
  }

  send() {
    clearTimeout(this.timer);
    this.timer = null;
    const { turned, clicks, count } = this.shared;
    this.tell("told", { turned, clicks, count });
  }

  sendLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), SEND_AFTER);
  }

  // Draws once a frame, however often a knob moves in between.
  later() {
    this.showKnobs();
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    if (!this.data) return;
    const kind = JSON.stringify(this.data.knobs);
    if (this.kind !== kind) {
      this.kind = kind;
      this.knobs = new Map(this.data.knobs.map((knob) => [knob.name, this.knob(knob)]));
      this.row.replaceChildren(...[...this.knobs.values()].map((knob) => knob.box));
    }
    this.showKnobs();
    if (this.scene) this.show(this.scene, this.setting);
  }

  knob({ name, label, values, help }) {
    const input = document.createElement("input");
    input.title = help;
    input.dataset.knob = name;
    const told = (value) => {
      this.turn(name, value);
      this.sendLater();
    };
    if (!values) {
      input.type = "checkbox";
      input.addEventListener("change", () => told(input.checked));
      const whole = document.createElement("label");
      whole.className = "switch";
      whole.append(input, label);
      return { box: whole, input };
    }
    Object.assign(input, { type: "range", min: 0, max: values.length - 1, step: 1 });
    input.setAttribute("aria-label", label);
    const value = text("output", "setting", "");
    const head = join("knobhead", [text("span", "label", label), value]);
    input.addEventListener("input", () => this.turn(name, values[Number(input.value)]));
    input.addEventListener("change", () => this.sendLater());
    const hint = text("div", "hint", "");
    return { box: join("knob", [head, input, hint]), input, values, value, hint };
  }

  showKnobs() {
    const { setting } = this;
    for (const [name, { box: whole, input, values, value, hint }] of this.knobs) {
      if (!values) {
        input.checked = setting[name];
        continue;
      }
      const words = compact(setting[name]);
      input.value = nearest(values, setting[name]);
      value.textContent = words;
      input.setAttribute("aria-valuetext", words);
      const isDead = name === "sigma" && setting.k === 1;
      whole.classList.toggle("dead", isDead);
      hint.textContent = isDead ? "no effect at k = 1" : "";
    }
  }
}

// ---- elements

function canvas(name) {
  const made = document.createElement("canvas");
  made.className = name;
  return made;
}

// The context of a canvas, empty, in the units of the page and as sharp as the screen.
function fitted(made) {
  const { clientWidth, clientHeight } = made, sharp = globalThis.devicePixelRatio || 1;
  made.width = Math.round(clientWidth * sharp);
  made.height = Math.round(clientHeight * sharp);
  const context = made.getContext("2d");
  context.scale(sharp, sharp);
  return context;
}

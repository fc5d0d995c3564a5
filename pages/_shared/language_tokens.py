"""A text whose tokens can be picked, by a click or with the arrow keys; each is coloured and marked by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from pages._shared.language_text import visible
from resmem_core.plots.common import COLORS

# A kind has a colour and, for those who cannot tell colours apart, a line of its own.
_MARKS = {
    "fixed": f"""background: color-mix(in srgb, {COLORS["fixed"]} 28%, transparent); font-weight: 700;
  border-bottom: 3px solid {COLORS["fixed"]};""",
    "broken": f"""background: color-mix(in srgb, {COLORS["broken"]} 28%, transparent);
  text-decoration: underline wavy {COLORS["broken"]} 2px; text-underline-offset: 3px;""",
    "both-wrong": f"border-bottom: 3px dotted {COLORS['base']};",
    "both-right": "border-bottom: 3px solid transparent;",
    "changed": f"""background: color-mix(in srgb, {COLORS["resmem"]} 25%, transparent); font-weight: 700;
  border-bottom: 3px double {COLORS["resmem"]};""",
    "same": "border-bottom: 3px solid transparent;",
}

_tokens = st.components.v2.component(
    "language_tokens",
    html='<div class="legend"></div><div class="tokens" role="listbox" tabindex="0"></div>',
    css="""
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-bottom: 8px; font-size: 0.875rem; }
.tokens { max-height: 21rem; overflow-y: auto; padding: 8px 12px; border-radius: 8px;
  border: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  font-family: var(--st-code-font, monospace); font-size: 0.875rem; line-height: 2.1; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.tokens:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
[role=option] { cursor: pointer; border-radius: 3px; }
[role=option]:hover { background: color-mix(in srgb, currentColor 15%, transparent); }
[role=option][aria-selected=true] { outline: 2px solid currentColor; outline-offset: 1px; }
"""
    + "\n".join(f".{kind} {{ {style} }}" for kind, style in _MARKS.items()),
    js="""
const element = (name, text, kind) => {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
};

export default function({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".tokens");
  const texts = JSON.stringify([data.kinds, data.tokens]);
  if (parentElement.texts !== texts) {
    parentElement.texts = texts;
    parentElement.picked = null;
    list.setAttribute("aria-label", data.label);
    const shown = data.kinds.filter(({ said }) => said).map(({ name, said }) => element("span", said, name));
    parentElement.querySelector(".legend").replaceChildren(...shown);
    const said = Object.fromEntries(data.kinds.map(({ name, called }) => [name, called]));
    list.replaceChildren(...data.tokens.map(([text, seen, kind], at) => {
      const token = element("span", text, kind);
      token.id = `token-${at}`;
      token.setAttribute("role", "option");
      token.setAttribute("aria-label", `${seen}: ${said[kind]}`);
      return token;
    }));
  }
  const pick = (at) => {
    const before = parentElement.picked;
    if (before !== null) list.children[before]?.setAttribute("aria-selected", "false");
    parentElement.picked = at;
    if (at === null) return;
    const token = list.children[at];
    token.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", token.id);
    const box = list.getBoundingClientRect(), own = token.getBoundingClientRect();
    if (own.top < box.top || own.bottom > box.bottom)
      list.scrollTop += own.top - box.top - box.height / 3;
  };
  const choose = (at) => {
    if (at === parentElement.picked) return;
    pick(at);
    clearTimeout(parentElement.waiting);
    // A key held down runs over many tokens: only the one it stops at is asked for.
    parentElement.waiting = setTimeout(() => setTriggerValue("token", at), 120);
  };
  clearTimeout(parentElement.waiting);
  pick(data.picked);
  list.onclick = (event) => {
    const token = event.target.closest("[role=option]");
    if (token) choose([...list.children].indexOf(token));
  };
  list.onkeydown = (event) => {
    const last = list.children.length - 1, at = parentElement.picked ?? -1;
    const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1 };
    const to = { ...next, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(Math.min(last, Math.max(0, to)));
  };
}
""",
)


def pick_token(
    key: str,
    tokens: Sequence[tuple[str, str]],
    kinds: Mapping[str, str],
    picked: int | None,
    label: str,
    told: Callable[[int], None],
) -> None:
    """Show tokens as running text, and tell which one is picked.

    Parameters
    ----------
    key : str
        Unique on the page.
    tokens : sequence of (str, str)
        Text and kind.
    kinds : mapping
        What each kind is called, by its name: "fixed", "broken", "both-wrong", "both-right", or "changed", "same". The
        legend has those that occur, and how often.
    picked : int or None
        The one that is picked now.
    label : str
        What the text is, for those who do not see it.
    told : callable
        Given the place of the token picked next.
    """
    counts = {name: sum(kind == name for _, kind in tokens) for name in kinds}

    def on_token() -> None:
        at = st.session_state[key]["token"]
        if at is not None:
            told(int(at))

    _tokens(
        key=key,
        data={
            "label": label,
            "picked": picked,
            "kinds": [
                {"name": name, "called": called, "said": f"{called}: {counts[name]}" if counts[name] else ""}
                for name, called in kinds.items()
            ],
            "tokens": [[text.replace("\n", "↵\n"), visible(text), kind] for text, kind in tokens],
        },
        on_token_change=on_token,
    )

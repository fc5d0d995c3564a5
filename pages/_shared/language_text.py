"""Texts of other people as they can be shown: escaped, and with every character to be seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from resmem_core.plots.common import COLORS

SPACE, NEWLINE, TAB = "·", "↵", "⇥"
NOTHING = "∅"
LONGEST = 24  # characters of a token beside a bar

STYLE = f"""<style>
ol.contexts {{ list-style: none; margin: 0; padding: 0 !important; }}
.contexts li {{ border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: 8px;
  margin: 0 0 8px !important; padding: 8px 12px !important; }}
.contexts .facts {{ display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 6px; font-size: 0.875rem; }}
.text {{ font-family: "Source Code Pro", monospace; font-size: 0.8125rem; line-height: 1.7; margin: 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }}
.text .matched {{ background: color-mix(in srgb, {COLORS["memory"]} 30%, transparent); color: inherit;
  border-bottom: 2px solid {COLORS["memory"]}; }}
.text .next {{ border: 2px solid currentColor; border-radius: 4px; padding: 0 3px; font-weight: 700; }}
.text .changed {{ background: color-mix(in srgb, {COLORS["resmem"]} 25%, transparent); color: inherit;
  border-bottom: 3px double {COLORS["resmem"]}; font-weight: 700; }}
.text .sign {{ opacity: 0.7; }}
</style>"""


def visible(text: str) -> str:
    """Write a token so that each of its characters is seen: spaces, newlines, and what has no shape."""
    signs = {" ": SPACE, "\n": NEWLINE, "\t": TAB}
    return "".join(signs.get(c, c if c.isprintable() else _named(c)) for c in text) or NOTHING


def short(text: str) -> str:
    """Write a token as `visible` does, its middle left out where it is long."""
    seen = visible(text)
    return seen if len(seen) <= LONGEST else f"{seen[: LONGEST // 2]}…{seen[-LONGEST // 2 + 1 :]}"


def code(text: str) -> str:
    """Return a token as Markdown's inline code, whatever it holds."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{visible(text)}{pad}{fence}"


def running(text: str) -> str:
    """Return running text as HTML: its lines are kept, and their ends and unseen characters are shown."""
    return "".join(_running(c) for c in text)


def _running(c: str) -> str:
    if c == "\n":
        return f'<span class="sign">{NEWLINE}</span>\n'
    return escape(c) if c.isprintable() or c == "\t" else f'<span class="sign">{_named(c)}</span>'


def _named(c: str) -> str:
    return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"


@dataclass(frozen=True)
class Passage:
    """Text up to a token, that token, and what follows; `matched` is the end of that text which another text shares."""

    before: str
    matched: str
    token: str
    after: str

    def html(self) -> str:
        """Return it as HTML: the matched end underlined, the token in a box."""
        matched = f'<mark class="matched">{running(self.matched)}</mark>' if self.matched else ""
        boxed = f'<strong class="next">{escape(visible(self.token))}</strong>' if self.token else ""
        turn = "\n" if self.token.endswith("\n") else ""
        return f"{running(self.before)}{matched}{boxed}{turn}{running(self.after)}"


def paragraph(html: str) -> str:
    """Return text in HTML as a page of its own can show it."""
    return f'{STYLE}<p class="text">{html}</p>'


@dataclass(frozen=True)
class Found:
    """A training context that was found, and what is said of it."""

    facts: tuple[str, ...]
    passage: Passage

    def html(self) -> str:
        """Return it as an item of a list."""
        facts = "".join(f"<span>{escape(fact)}</span>" for fact in self.facts)
        return f'<li><div class="facts">{facts}</div><p class="text">{self.passage.html()}</p></li>'


def contexts(found: Sequence[Found]) -> str:
    """Return training contexts as a list in HTML, nearest first."""
    return f'{STYLE}<ol class="contexts">{"".join(one.html() for one in found)}</ol>'

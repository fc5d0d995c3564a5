"""How texts and tokens are written: no character is lost, and none is markup."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from pages._shared.language_text import Passage, code, running, short, visible

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def unmarked(html):
    return unescape(re.sub("<[^>]*>", "", html))


@given(TEXTS)
def test_running_text_keeps_every_character_and_holds_no_markup(text):
    shown = running(text)
    assert re.sub('<span class="sign">|</span>', "", shown).count("<") == 0
    kept = "".join(c for c in text if c.isprintable() or c in "\t\n")
    seen = "".join(c for c in unmarked(re.sub(r'<span class="sign">[^<]*</span>', "", shown)))
    assert seen == kept


@given(TEXTS)
def test_every_character_of_a_token_is_seen(text):
    seen = visible(text)
    assert seen.isprintable()
    assert " " not in seen
    assert len(seen) >= max(1, len(text))
    assert len(short(text)) <= 24


@given(TEXTS)
def test_a_token_is_code_whatever_it_holds(text):
    fence = re.match("`+", code(text)).group()
    inside = code(text)[len(fence) : -len(fence)]
    assert code(text).endswith(fence)
    assert fence not in re.findall("`+", inside)
    assert inside.strip(" ") == visible(text)


def test_signs():
    assert visible(" the\n") == "·the↵"
    assert visible("") == "∅"
    assert visible("\u202e\x07\t") == "\\u202e\\x07⇥"
    passage = Passage("a <", "b", "\n", "& c").html()
    assert passage == ('a &lt;<mark class="matched">b</mark><strong class="next">↵</strong>\n&amp; c')

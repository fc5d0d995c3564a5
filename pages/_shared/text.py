"""Names and messages as Streamlit can show them: whatever a person wrote stays text."""

from __future__ import annotations

import re

_JOINER = "\u2060"  # seen nowhere, and breaks what it stands in
# What Streamlit looks for in text once Markdown has been read, escaped or not: web and mail addresses become links,
# `:smile:` and `:material/home:` pictures, and " -> " an arrow. A place within each, at which it can be broken.
_FOUND_IN_TEXT = re.compile(
    r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=[\w-])|(?<=:)(?=[\w/+-]+:)|(?<=[-<>~])(?=[-=>]+(?:\s|$))",
    re.IGNORECASE,
)
_SIGN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~:$&^=@])")


def plain(text: object) -> str:
    """Return what shows as this very text where Streamlit reads Markdown: in labels, tooltips, captions and messages.

    Whatever a person can name is shown by it: classes, examples, files, datasets, and errors that quote them. Options
    of a select box, cells of a data frame and code are no Markdown, and need none.
    """
    return _SIGN.sub(r"\\\1", _FOUND_IN_TEXT.sub(_JOINER, " ".join(str(text).split())))

"""The articles in a text written as WikiText is."""

from __future__ import annotations

import re
from itertools import pairwise

from resmem_core.data.text import Document

_TITLE = re.compile(r"\s*= (?!=)(.*\S)(?<!=) =\s*")  # one sign on each side; sections have two or more


def articles(text: str, name: str) -> list[Document]:
    """Return a document for each article, named after it; where there is none, the whole text as one.

    A title is a line ` = Title = ` between blank lines (formulas have such lines, too, among others). What is not in an
    article is called `name`.

    Parameters
    ----------
    text : str
        The whole file.
    """
    lines = text.splitlines(keepends=True) if " =" in text else [text]
    titles = {}
    for before, (row, line), after in zip(["", *lines], enumerate(lines), [*lines[1:], ""], strict=False):
        if not before.strip() and not after.strip() and (match := _TITLE.fullmatch(line)):
            titles[row] = match[1]
    documents = [
        Document(titles.get(start, name), "".join(lines[start:end]))
        for start, end in pairwise(sorted({0, *titles, len(lines)}))
    ]
    return [document for document in documents if document.text.strip()]

"""Names that people and machines write: of classes, files, columns and parts."""

from __future__ import annotations

import unicodedata


def clean_name(text: str) -> str:
    """Return a name in one form (Unicode NFC), without blanks at its ends: so that what looks the same is the same."""
    return unicodedata.normalize("NFC", text).strip()

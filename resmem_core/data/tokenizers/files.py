"""From a tokeniser's file to the tokeniser."""

from __future__ import annotations

import json
from pathlib import Path

from resmem_core.common.errors import StoreError
from resmem_core.common.store import digest_key
from resmem_core.data.tokenizers.base import TOKENIZERS, Tokenizer
from resmem_core.data.tokenizers.huggingface import HuggingFaceTokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Read what `Tokenizer.save` wrote.

    Raises
    ------
    StoreError
        If the file is missing, damaged or something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        digest = content.pop("digest")
        if digest != digest_key(content):
            raise ValueError("its content is not what was written")
        kind = content.pop("kind")
        tokenizer = HuggingFaceTokenizer if kind == HuggingFaceTokenizer.kind else TOKENIZERS.get(kind)
        return tokenizer._restored(content)
    except FileNotFoundError:
        raise StoreError(f"there is no tokeniser {path}; train one") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"the tokeniser {path} is damaged or something else ({error}); remove it") from error

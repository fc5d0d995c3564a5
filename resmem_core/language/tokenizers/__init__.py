"""Tokenisers by name: one kind a file, and what turns documents into a stream of ids."""

from resmem_core.language.tokenizers.base import (
    TOKENIZERS,
    VOCABULARY,
    Tokenizer,
    TrainedTokenizer,
    check_vocabulary,
    load_tokenizer,
)
from resmem_core.language.tokenizers.streams import excerpts, limited, tokenized

__all__ = [
    "TOKENIZERS",
    "VOCABULARY",
    "Tokenizer",
    "TrainedTokenizer",
    "check_vocabulary",
    "excerpts",
    "limited",
    "load_tokenizer",
    "tokenized",
]

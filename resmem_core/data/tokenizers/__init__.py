"""Tokenisers by name: one kind a file, and what turns documents into a stream of ids."""

from resmem_core.data.tokenizers.base import TOKENIZERS, VOCABULARY, Tokenizer, TrainedTokenizer, check_vocabulary
from resmem_core.data.tokenizers.files import load_tokenizer
from resmem_core.data.tokenizers.streams import excerpts, limited, tokenized

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

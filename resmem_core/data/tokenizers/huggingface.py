"""The tokeniser of a Hugging Face model, as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.tokenizers.base import Tokenizer
from resmem_core.data.tokenizers.bpe import token_bytes

_BYTE = re.compile("<0x([0-9A-F]{2})>")


class HuggingFaceTokenizer(Tokenizer):
    """A fast tokeniser of `transformers`, which is one of the `tokenizers` library.

    What is lost is what the model's makers chose to lose. Text that reads like a special token ("<|endoftext|>") is
    taken as text.

    Parameters
    ----------
    definition : str
        The tokeniser as the library writes it, in JSON.
    bos : str
        The token that begins a document.
    """

    kind = "huggingface"

    def __init__(self, definition: str, bos: str) -> None:
        from tokenizers import Tokenizer as Fast

        self._definition, self._bos = definition, bos
        try:
            self._fast = Fast.from_str(definition)
        except Exception as error:  # the library raises no class of its own
            raise ValueError(str(error)) from error
        self._fast.no_truncation()
        self._fast.no_padding()
        self._fast.encode_special_tokens = True
        number = self._fast.token_to_id(bos)
        if number is None:
            raise ValueError(f"the tokeniser has no token {bos!r}")
        self.bos = number
        self.size = max(self._fast.get_vocab(with_added_tokens=True).values()) + 1
        self._style = _style(json.loads(definition).get("decoder"))

    @classmethod
    def of(cls, tokenizer: Any, begins: int | None = None) -> HuggingFaceTokenizer:
        """Return that of `transformers`' fast tokeniser object; `begins` is the token that begins a document.

        Unless given, it is the tokeniser's bos, or else its eos.

        Raises
        ------
        InvalidParameterError
            If it is a slow one, or has neither a token that begins a text nor one that ends it.
        """
        fast = fast_of(tokenizer)
        told = tokenizer.bos_token or tokenizer.eos_token
        bos = told if begins is None else tokenizer.convert_ids_to_tokens(begins)
        if bos is None:
            raise InvalidParameterError(
                f"the tokeniser {tokenizer.name_or_path!r} has no token that begins a text (bos) or ends it (eos), so "
                "the first token of a document has nothing to be predicted from; set its bos_token"
            )
        return cls(fast.to_str(), str(bos))

    @classmethod
    def from_pretrained(cls, name: str, begins: int | None = None) -> HuggingFaceTokenizer:
        """Return the tokeniser of a model, by folder or by name on the Hugging Face hub. Its code is never run.

        `begins` is as for `of`.

        Raises
        ------
        UnavailableError
            If transformers is not installed, or there is no such tokeniser here or to be fetched.
        InvalidParameterError
            As `of`.
        """
        return cls.of(published_tokenizer(name), begins)

    def _encode(self, text: str) -> Iterable[int]:
        return self._fast.encode(text, add_special_tokens=False).ids

    def _decode(self, ids: list[int]) -> str:
        return self._fast.decode(ids, skip_special_tokens=False)

    def _piece(self, i: int) -> str:
        token = self._fast.id_to_token(i)
        if token is None:
            return ""  # a number that the vocabulary leaves out
        if self._style == "bytes":
            try:
                return token_bytes(token).decode("utf-8", "backslashreplace")
            except KeyError:  # added in plain text
                return token
        if self._style == "wordpiece":
            return token[2:] if token.startswith("##") else f" {token}"
        if byte := _BYTE.fullmatch(token):
            return bytes.fromhex(byte[1]).decode("utf-8", "backslashreplace")
        return token.replace("▁", " ")

    def _state(self) -> dict[str, Any]:
        return {"definition": self._definition, "bos": self._bos}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> HuggingFaceTokenizer:
        return cls(state["definition"], state["bos"])


def published_tokenizer(name: str) -> Any:
    """Return the tokeniser of a model as `transformers` has it, by folder or by name. Its code is never run.

    Raises
    ------
    UnavailableError
        If transformers is not installed, or there is no such tokeniser here or to be fetched.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise UnavailableError(
            f"the tokeniser of {name!r} needs the package transformers: pip install transformers"
        ) from error
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # the network, the hub and the libraries have classes of their own
        raise UnavailableError(f"the tokeniser of {name!r} cannot be read: {error}") from error


def fast_of(tokenizer: Any) -> Any:
    """Return the tokeniser of the `tokenizers` library that one of `transformers` is.

    Raises
    ------
    InvalidParameterError
        If it is a slow one.
    """
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise InvalidParameterError(
            f"{type(tokenizer).__name__} is none of the fast tokenisers of transformers; use a model that has one"
        )
    return fast


def _style(decoder: Mapping[str, Any] | None) -> str:
    """Return how a vocabulary writes its tokens: "bytes", "wordpiece", or else plain with "▁" for a blank."""
    parts = [decoder, *decoder.get("decoders", [])] if decoder else []
    kinds = {part.get("type") for part in parts}
    return "bytes" if "ByteLevel" in kinds else "wordpiece" if "WordPiece" in kinds else "plain"

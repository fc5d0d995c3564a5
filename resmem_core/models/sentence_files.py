"""What the files of sentence-transformers say of a model: how its tokens become one vector, and how many it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resmem_core.models import hub

MODULES, READING, ENCODING = "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"
POOLS = {  # as these files call them, and we
    "cls": "cls", "cls_token": "cls", "mean": "mean", "mean_tokens": "mean", "lasttoken": "last",
}  # fmt: skip
KEPT = ("Transformer", "Pooling", "Normalize")  # the last is an option of every memory


@dataclass(frozen=True)
class SentenceFiles:
    """What they say.

    Attributes
    ----------
    pool : str
        "cls", "mean", "last", or what else is written there.
    longest : int or None
        Tokens of a text at most.
    lower : bool
        Whether texts are written in small letters first.
    left_out : tuple of str
        What else is done to the vector.
    prompts : mapping of str to str
        What may be put before a text, by name.
    prompt : str
        The one that is, unless told otherwise.
    """

    pool: str
    longest: int | None
    lower: bool
    left_out: tuple[str, ...]
    prompts: Mapping[str, str]
    prompt: str


def sentence_files(source: str) -> SentenceFiles | None:
    """Return what they say of a model, by folder or name; None where there are none.

    Raises
    ------
    UnavailableError
        If they cannot be read.
    """
    modules = hub.json_of(source, MODULES)
    if modules is None:
        return None
    try:
        kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
        pooling = hub.json_of(source, f"{kinds['Pooling']}/config.json")
        reading, encoding = (hub.json_of(source, name) or {} for name in (READING, ENCODING))
        return SentenceFiles(
            pool=_pool_of(pooling),
            longest=reading.get("max_seq_length"),
            lower=bool(reading.get("do_lower_case")),
            left_out=tuple(kind for kind in kinds if kind not in KEPT),
            prompts=(prompts := {str(name): str(text) for name, text in (encoding.get("prompts") or {}).items()}),
            prompt=prompts[usual] if (usual := encoding.get("default_prompt_name")) else "",
        )
    except (LookupError, TypeError, AttributeError) as error:
        what = ValueError(f"{MODULES} and the config.json of its Pooling are not as sentence-transformers writes them")
        raise hub.unreadable(source, "a sentence encoder", what) from error


def _pool_of(pooling: dict[str, object]) -> str:
    """Return the one pooling that is told, or all of them."""
    told = pooling.get("pooling_mode")  # so it is written lately
    modes = [told] if isinstance(told, str) else list(told) if isinstance(told, list | tuple) else []
    mark = "pooling_mode_"
    modes = modes or [name.removeprefix(mark) for name, on in pooling.items() if name.startswith(mark) and on is True]
    return " and ".join(POOLS.get(str(mode), str(mode)) for mode in modes)

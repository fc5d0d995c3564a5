"""What the arrays of a file or a folder are called, and what is meant by it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from resmem_core.common.names import clean_name
from resmem_core.data.base import PARTS, part_called
from resmem_core.data.keys import called, key_called, like_probabilities, like_vectors
from resmem_core.data.model_file import wrong

NAMES = ("embeddings", "logits", "predictions", "labels", "images", "names", "groups")  # of what each part has
_DATA = ("embeddings", "logits", "labels", "images")
_HEAD = ("weights", "bias")
_LOOSE = ("x", "features", "z")  # what embeddings are called, too, where nothing is called embeddings
_OWN = re.compile(rf"\b({'|'.join(PARTS)})_({'|'.join(NAMES)})\b")


class Keys(NamedTuple):
    """What the keys of a file mean.

    Attributes
    ----------
    own : dict of str to str
        Keys as the file has them -> as they are called here ("X_test" -> "test_embeddings").
    unknown : list of str
        Those that mean nothing here.
    is_split : bool
        Whether they name the parts; where they do not, all is called as train's.
    """

    own: dict[str, str]
    unknown: list[str]
    is_split: bool

    def as_spelt(self, text: str) -> str:
        """Return a message with the keys as the file has them, or would have them."""
        spelt = {own: key for key, own in self.own.items()}
        parts = {
            part: _parsed(key, _LOOSE)[2] for part in PARTS for own, key in spelt.items() if own.startswith(f"{part}_")
        }

        def in_file(key: re.Match[str]) -> str:
            return spelt.get(key[0]) or (f"{parts.get(key[1], key[1])}_{key[2]}" if self.is_split else key[2])

        return _OWN.sub(in_file, text)

    @classmethod
    def of(cls, path: Path, keys: Sequence[str]) -> Keys:
        """Return what is meant by the keys of a file.

        Raises
        ------
        DatasetError
            If two mean the same.
        """
        parsed = {key: _parsed(key, ()) for key in keys}
        if all(name != "embeddings" for _, name, _ in parsed.values()):
            parsed = {key: _parsed(key, _LOOSE) for key in keys}
        meant = {key: (part, name) for key, (part, name, _) in parsed.items()}
        is_split = any(part and name in NAMES for part, name in meant.values())
        is_split |= not any(name == "embeddings" for _, name in meant.values())
        has_logits = any(name == "logits" and bool(part) == is_split for part, name in meant.values())
        of_all = {key: key.casefold() for key in keys if key.casefold() in _HEAD and not has_logits}
        of_all = of_all if "weights" in of_all.values() else {}
        of_all |= dict.fromkeys(called(keys, "class_names")[:1], "class_names")
        own: dict[str, str] = {}
        as_called: dict[str, str] = {}
        unknown = []
        for key, (part, name) in meant.items():
            if key in of_all:
                meaning = of_all[key]
            elif is_split and part and name in NAMES:
                meaning = f"{part}_{name}"
                spelt = parsed[key][2]
                if as_called.setdefault(part, spelt) != spelt:
                    same = f"keys that begin with {as_called[part]}_ and with {spelt}_, which mean the same"
                    raise wrong(path, "the archive", same, f"one name for {part}")
            elif not is_split and not part and name in (*NAMES, "split"):
                meaning = "split" if name == "split" else f"train_{name}"
            else:
                unknown.append(key)
                continue
            if meaning in own.values():
                other = next(one for one in own if own[one] == meaning)
                expected = f"{meaning if is_split else meaning.removeprefix('train_')} alone"
                raise wrong(path, "the archive", f"{other} and {key}, which mean the same", expected)
            own[key] = meaning
        return cls(own, unknown, is_split)

    def check_unknown(self, path: Path, parts: Collection[str], *, has_model: bool) -> None:
        """Refuse what is called as embeddings, logits, labels or images are, or as a part, and would not be used.

        Raises
        ------
        DatasetError
            If there is such an array.
        """
        for key in self.unknown:
            is_part = part_called(clean_name(key).partition("_")[0]) not in (None, *parts)
            before, _, last = clean_name(key).rpartition("_")
            name = before if part_called(last) else last  # "labels_of_train", "my_labels"
            is_data = key_called(name) in _DATA or like_vectors(name) or (like_probabilities(key) and not has_model)
            if is_part or is_data:
                found = f"{key!r}, which looks like data but would not be used"
                expected = "train_embeddings, test_logits, validation_labels and the like; call it so, or leave it out"
                raise wrong(path, "the archive", found, expected)


def _parsed(key: str, loose: Collection[str]) -> tuple[str | None, str | None, str]:
    """Return the part, what of it, and how the part is spelt: of "train_X", "X_train" or "train.X", or of "X"."""
    text = clean_name(key)

    def meaning(name: str) -> str | None:
        return key_called(name) or ("embeddings" if name.casefold() in loose else None)

    ends = [(first, rest) for mark in "_." for first, _, rest in [text.partition(mark)]]
    ends += [(last, before) for mark in "_." for before, _, last in [text.rpartition(mark)]]
    found = [(part, meaning(name), spelt) for spelt, name in ends if (part := part_called(spelt))]
    return next((one for one in found if one[1]), found[0] if found else (None, meaning(text), ""))

"""`upload:ID`: a file that a visitor uploaded in the page."""

from __future__ import annotations

from resmem_core.common.errors import DatasetError, InvalidParameterError, UnavailableError
from resmem_core.common.progress import Progress
from resmem_core.data.base import DATASETS, EMBEDDINGS, DatasetLoader, Source, TextSource, file_state
from resmem_core.data.uploads import KINDS, describe, find, kind_of, note_made


class UploadedFile(DatasetLoader):
    """A file of the kinds that `arrays:` and `table:` read, kept under an unguessable name.

    As there, `ID?logits=raw` and the like say what its logits are, and `ID?task=values` what its labels are.
    """

    name = "upload"
    summary = "a file uploaded on the page Your data"
    argument = "ID"
    kind = EMBEDDINGS
    private = True

    def title(self, argument: str | None) -> str:
        """Return the file's name, as its owner has it; how it is written where it is not there any more."""
        upload = describe(_number(argument))
        return upload.name if upload is not None else super().title(argument)

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such upload, if so."""
        if find(_number(argument)) is None:
            return (
                f"upload {argument!r} is not there, or was deleted by its owner; upload the file on the page Your data"
            )
        return None

    def stamp(self, argument: str | None) -> str:
        """Return the file's size and time."""
        path = find(_number(argument))
        return "" if path is None else str(file_state(path))

    def load(self, argument: str | None, progress: Progress) -> Source | TextSource:
        """Read it.

        Raises
        ------
        UnavailableError
            If there is none.
        DatasetError
            If it was damaged since.
        InvalidParameterError
            If what stands after the question mark is nothing that it takes.
        """
        path = find(_number(argument))
        if path is None:
            raise UnavailableError(str(self.unavailable(argument)))
        asked = (argument or "").removeprefix(_number(argument))
        try:
            return DATASETS.get(KINDS[kind_of(path.name)]).load(str(path) + asked, progress)
        except (DatasetError, InvalidParameterError) as error:
            raise type(error)(str(error).replace(str(path), "the upload")) from error

    def made(self, argument: str | None, fingerprint: str) -> None:
        """Note it, so that deleting the upload removes what was made from it."""
        note_made(_number(argument), fingerprint)


def _number(argument: str | None) -> str:
    return (argument or "").partition("?")[0]


DATASETS.register(UploadedFile.name, UploadedFile())

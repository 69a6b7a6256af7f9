"""What can go wrong, as the user reads it.

    MemoireError                one French line: what, where, what to do        exit code 2
    ├── DocumentError           a file cannot be read (missing, empty, encrypted, not what its name says)
    ├── PlanMissingError        the buyer imposes no plan, and the dossier gives none
    ├── DossierError            the dossier's folder is missing, incomplete or in use
    │   ├── SectionLockedError  a person keeps the section for themselves
    │   └── StaleTextError      the section is no longer the one that a person began to change
    ├── IndexMismatchError      the index was made by another embedder or splitter
    ├── IndexDamagedError       the index's file was altered; it is set aside and made again
    ├── IndexChangedError       another command changed the index meanwhile
    ├── ModelError              a model file is missing, altered, or does not run here
    │   ├── WrongHashError      its SHA-256 is not the one expected; the file was set aside
    │   └── MemoryShortError    not enough free memory to load it
    ├── SettingsError           a setting is unknown or out of range
    └── PromptError             a template is missing, or a variable of it is undefined

``retryable`` says whether the same call may succeed later without the user changing anything.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar


class MemoireError(Exception):
    """Base of every expected failure. ``str(error)`` is the French line shown to the user."""

    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: object = None, remedy: str = "") -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        place = f" ({self.where})" if self.where else ""
        todo = f" {remedy}" if remedy else ""
        super().__init__(" ".join(f"{what}{place}.{todo}".split()))

    def __reduce__(self) -> tuple[object, ...]:
        """So that an error keeps its parts from one process to another."""
        return partial(type(self), where=self.where, remedy=self.remedy), (self.what,)


class DocumentError(MemoireError):
    """A document cannot be read."""


class PlanMissingError(MemoireError):
    """No plan is imposed and none was given."""


class DossierError(MemoireError):
    """The dossier's folder is not usable."""


class SectionLockedError(DossierError):
    """Somebody else keeps the section for themselves."""


class StaleTextError(DossierError):
    """The section has changed since the text was read that a person changed."""


class IndexMismatchError(MemoireError):
    """The stored index does not belong to the present embedder or splitter."""


class IndexDamagedError(MemoireError):
    """The stored index is not what was written."""


class IndexChangedError(MemoireError):
    """The stored index is no longer the one that was loaded."""

    retryable = True


class ModelError(MemoireError):
    """A model cannot be used."""


class WrongHashError(ModelError):
    """The file is not the one named in the manifest."""


class MemoryShortError(ModelError):
    """The machine has too little free memory for the model."""

    retryable = True


class SettingsError(MemoireError):
    """A setting is unknown or its value is refused."""


class PromptError(MemoireError):
    """A prompt template cannot be rendered."""

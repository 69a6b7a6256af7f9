"""What the server refuses, and how it says so."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pipeline.errors import MemoireError


class Refusal(MemoireError):  # noqa: N818 – named for what it says
    """Base of what the server refuses by itself."""

    status: ClassVar[int]
    code: ClassVar[str]


class NotFound(Refusal):
    """There is none such, or it is another's: the two are told in the same words."""

    status, code = 404, "introuvable"


class Conflict(Refusal):
    """The request does not fit what is there."""

    status, code = 409, "conflit"


class Invalid(Refusal):
    """A field is wrong."""

    status, code = 422, "demande-invalide"

    def __init__(self, what: str, *, where: object = None, remedy: str = "", field: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), where=self.where, remedy=self.remedy, field=self.field), (self.what,)

"""What the server refuses, and how it says so: RFC 9457 problem details, with a stable code and a French sentence.

    MemoireError (pipeline/errors.py)
    └── Refusal             the server's own, each with its status and its code
        ├── Unauthorized    401 cle-absente-ou-refusee
        ├── Forbidden       403 interdit
        ├── NotFound        404 introuvable: there is none, or it is another's
        ├── Conflict        409 conflit
        ├── TooLarge        413 trop-volumineux
        ├── WrongType       415 type-refuse
        ├── Invalid         422 demande-invalide, with the fields
        └── TooMany         429 trop-de-demandes, with the seconds to wait

What the pipeline refuses keeps its own sentence: 409 where the dossier is not in a state for it, 422 where the file
given is of no use, 503 where the same request may succeed later.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from pydantic import BaseModel, Field

from pipeline import errors
from pipeline.errors import MemoireError

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(examples=["sections.0"])
    message: str = Field(examples=["Ce champ est obligatoire."])


class Problem(BaseModel):
    """A refusal (RFC 9457); ``code`` is stable, ``title`` and ``detail`` are French."""

    type: str = Field(examples=["urn:memoire:probleme:introuvable"])
    title: str = Field(examples=["Ce dossier n’existe pas"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["Ce dossier n’existe pas (gestion-des-actes)."])
    code: str = Field(examples=["introuvable"])
    errors: list[FieldProblem] = Field(default_factory=list)
    """Of a request that is wrong, field by field; empty elsewhere."""


class Refusal(MemoireError):  # noqa: N818
    """Base of what the server refuses by itself."""

    status: ClassVar[int]
    code: ClassVar[str]

    @property
    def headers(self) -> dict[str, str]:
        """Headers the answer needs."""
        return {}


class Unauthorized(Refusal):
    """No key, or one that is not believed."""

    status, code = 401, "cle-absente-ou-refusee"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="memoire"'}


class Forbidden(Refusal):
    """Known, but not allowed this."""

    status, code = 403, "interdit"


class NotFound(Refusal):
    """There is none such, or it is another's: the two are told in the same words."""

    status, code = 404, "introuvable"


class Conflict(Refusal):
    """The request does not fit what is there."""

    status, code = 409, "conflit"


class TooLarge(Refusal):
    """The body is over the limit."""

    status, code = 413, "trop-volumineux"


class WrongType(Refusal):
    """The body or file is not of the kind that is wanted."""

    status, code = 415, "type-refuse"


class Invalid(Refusal):
    """A field is wrong."""

    status, code = 422, "demande-invalide"

    def __init__(self, what: str, *, where: object = None, remedy: str = "", field: str = "") -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), where=self.where, remedy=self.remedy, field=self.field), (self.what,)


class TooMany(Refusal):
    """More requests than one may send."""

    status, code = 429, "trop-de-demandes"

    def __init__(self, what: str, *, where: object = None, remedy: str = "", retry_after: int = 1) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), where=self.where, remedy=self.remedy, retry_after=self.retry_after), (self.what,)

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


_CODES: tuple[tuple[type[MemoireError], int, str], ...] = (
    (errors.DocumentError, 422, "document-inutilisable"),
    (errors.PlanMissingError, 409, "plan-absent"),
    (errors.IndexMismatchError, 409, "index-perime"),
    (errors.IndexDamagedError, 409, "index-endommage"),
    (errors.MemoryShortError, 503, "memoire-insuffisante"),
    (errors.ModelError, 409, "modele-absent"),
    (errors.SettingsError, 409, "reglage-refuse"),
    (errors.DossierError, 409, "dossier-pas-pret"),
)


def problem_of(error: MemoireError) -> Problem:
    """The problem details of an expected failure. Paths of the server's disk are left out of it: only names."""
    if isinstance(error, Refusal):
        status, code = error.status, error.code
    else:
        found = next(((status, code) for kind, status, code in _CODES if isinstance(error, kind)), None)
        status, code = found or ((503, "a-reessayer") if error.retryable else (409, "refuse"))
    fields = [FieldProblem(field=error.field, message=error.what)] if isinstance(error, Invalid) and error.field else []
    return Problem(
        type=f"urn:memoire:probleme:{code}",
        title=error.what,
        status=status,
        detail=_without_paths(error),
        code=code,
        errors=fields,
    )


def invalid(found: Sequence[FieldProblem]) -> Problem:
    """The problem details of a request that is not what the API describes."""
    first = f" : « {found[0].field} » – {found[0].message}" if found else "."
    return Problem(
        type=f"urn:memoire:probleme:{Invalid.code}",
        title="La demande est mal formée",
        status=Invalid.status,
        detail=f"La demande est mal formée{first}",
        code=Invalid.code,
        errors=list(found),
    )


def _without_paths(error: MemoireError) -> str:
    where = error.where.rstrip("/").rsplit("/", 1)[-1] if error.where else None
    remedy = "" if "memoire " in error.remedy and "«" in error.remedy else error.remedy  # a command of the terminal
    return str(MemoireError(error.what, where=where, remedy=remedy))


_MESSAGES = {
    "missing": "Ce champ est obligatoire.",
    "extra_forbidden": "Ce champ n’est pas connu.",
    "json_invalid": "Ce n’est pas du JSON.",
    "string_type": "Un texte est attendu.",
    "int_type": "Un nombre entier est attendu.",
    "int_parsing": "Un nombre entier est attendu.",
    "float_parsing": "Un nombre est attendu.",
    "bool_type": "« true » ou « false » est attendu.",
    "bool_parsing": "« true » ou « false » est attendu.",
    "list_type": "Une liste est attendue.",
    "dict_type": "Un objet est attendu.",
    "model_attributes_type": "Un objet est attendu.",
    "string_too_short": "Ce texte est trop court.",
    "string_too_long": "Ce texte est trop long.",
    "string_pattern_mismatch": "Ce texte n’a pas la forme attendue.",
    "too_long": "Il y a trop d’éléments.",
    "too_short": "Il manque des éléments.",
    "greater_than_equal": "Ce nombre est trop petit.",
    "less_than_equal": "Ce nombre est trop grand.",
    "literal_error": "Cette valeur n’est pas connue.",
    "enum": "Cette valeur n’est pas connue.",
    "union_tag_invalid": "Cette valeur n’est pas connue.",
    "union_tag_not_found": "Le champ « kind » est obligatoire.",
}


def fields_of(found: Sequence[dict[str, object]]) -> list[FieldProblem]:
    """pydantic's errors as fields and French messages; where they were given (body, query) is left out of the name."""
    told = []
    for error in found:
        place = error["loc"] if isinstance(error["loc"], tuple) else ()
        kind = str(error["type"])
        name = ".".join(str(part) for part in place[1:]) or str(place[0] if place else "body")
        if kind.startswith("union_tag"):
            name = "kind"
        told.append(FieldProblem(field=name, message=_MESSAGES.get(kind, f"Valeur refusée ({kind}).")))
    return told

"""What the API returns beyond the pipeline's own records."""

from __future__ import annotations

from pydantic import BaseModel


class Health(BaseModel):
    """The server answers."""

    status: str


class DossierSummary(BaseModel):
    """A dossier in a list."""

    name: str
    drafted: int
    """Sections with a draft."""


class Problem(BaseModel):
    """A refusal (RFC 9457); ``code`` is stable, ``title`` and ``detail`` are French."""

    title: str
    status: int
    detail: str
    code: str

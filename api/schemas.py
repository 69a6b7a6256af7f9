"""What the API takes and returns beyond the pipeline's own records."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.identity import Role
from api.jobs import Job, State
from api.params import DraftParams, EvaluateParams, ExportParams, FramesParams, PackParams, PrepareParams
from pipeline.records import Passage, SourceKind


class _Sent(BaseModel):
    """What a client sends: a field nobody knows is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")


class Health(BaseModel):
    """The server answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether work can be done: the models are there, the worker runs, the disk can be written."""

    status: Literal["ok", "incomplete"]
    missing: list[str] = Field(examples=[["Le modèle de rédaction n’est pas sur cette machine."]])
    """One French line each; empty where nothing is."""


class DossierInfo(BaseModel):
    """A dossier in a list."""

    id: str = Field(examples=["gestion-des-actes"])
    object: str | None
    buyer: str | None
    reference: str | None
    closing: str | None = Field(examples=["2026-12-14T12:00"])
    """When offers close, ``YYYY-MM-DD`` or ``YYYY-MM-DDTHH:MM``; ``None`` where the buyer's date was not found."""
    days_left: int | None
    role: Role
    read: bool
    """Whether what the buyer imposes has been read."""
    indexed: bool
    sections: int
    """Those with points to answer; headings that are only titles are left out."""
    drafted: int
    points: int
    covered: int
    gaps: int
    """Questions left to answer."""
    active: list[Job]
    """Jobs that wait or run."""


class DossierMade(BaseModel):
    """A new dossier: it is being read."""

    id: str
    job: Job
    left_out: list[str]
    """One French line a file that was not taken."""


class FileInfo(BaseModel):
    """A file that can be downloaded."""

    name: str = Field(examples=["rc.pdf"])
    """With its folder where it is in one: what the address of its content wants."""
    bytes: int
    modified: dt.datetime


class FilesAdded(BaseModel):
    """What became of files sent to a dossier."""

    told: list[str]
    """One French line a file that was left out, or replaced an earlier version."""
    job: Job


class CorrectionSent(_Sent):
    """A value of the reading that a person corrects."""

    op: Literal["set", "remove"] = "set"
    """« remove » takes an item out of its list."""
    pointer: str = Field(max_length=300, examples=["/criteria/0/weight"])
    """Where (RFC 6901), in what ``GET …/tender`` returns; ``/-`` at the end of a list."""
    value: Any = Field(default=None, examples=[55])


class CorrectionsSent(_Sent):
    corrections: list[CorrectionSent] = Field(min_length=1, max_length=200)


class HitInfo(BaseModel):
    """A passage found (CONTRACTS, ``search --format json``)."""

    passage: str
    kind: SourceKind
    document: str
    page: int | None
    article: str | None
    text: str
    score: float
    lot: str | None
    client: str | None
    confidential: bool
    """Whether its client may not be named outside the firm."""
    notice: str | None
    """Why it is no proof, or to be checked."""


class Hits(BaseModel):
    hits: list[HitInfo]


class TextSent(_Sent):
    """A person's text of a section: paragraphs apart by an empty line, ``[n]`` for its n-th source."""

    text: str = Field(max_length=200_000)
    base: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """``sha256`` of the section as it was when the person began; refused (409) where it has changed since."""


class AnswerSent(_Sent):
    """What a person answers to a question of the draft."""

    paragraph: str = Field(max_length=200, examples=["4.2-3"])
    answer: str = Field(min_length=1, max_length=20_000)
    keep: bool = False
    """Make it a fact of the firm, for the next tenders."""


class SectionText(BaseModel):
    """A section's text as a person edits it, and what it was made from."""

    number: str
    text: str
    sha256: str | None
    """What to give back as ``base``; ``None`` where nothing is drafted yet."""
    sources: list[Passage]
    """In the order of their marks."""


class TakenInfo(BaseModel):
    """What a person's text changed."""

    sections: list[str]
    unchanged: list[str]
    remarks: list[str]
    """One French line for each thing that was left alone."""
    answered: int
    kept: int


class LockInfo(BaseModel):
    """Who keeps a section to themselves, and since when."""

    by: str
    when: str


class PrepareRequest(PrepareParams):
    kind: Literal["prepare"]


class DraftRequest(DraftParams):
    kind: Literal["draft"]


class ExportRequest(ExportParams):
    kind: Literal["export"]


class FramesRequest(FramesParams):
    kind: Literal["frames"]


class PackRequest(PackParams):
    kind: Literal["pack"]


class EvaluateRequest(EvaluateParams):
    kind: Literal["evaluate"]


JobRequest = Annotated[
    PrepareRequest | DraftRequest | ExportRequest | FramesRequest | PackRequest | EvaluateRequest,
    Field(discriminator="kind"),
]


class ReviewInfo(BaseModel):
    """A comparison kept in the dossier."""

    id: str = Field(examples=["20261122-101500-memoire-relu"])
    human: str
    """Name of the Word document that was sent."""
    when: str
    acceptance: float | None
    """Share of the generated words in paragraphs kept as they were."""


class AcceptSent(_Sent):
    """Which sections of a reviewed document to take back."""

    sections: list[str] = Field(default_factory=list, max_length=500)
    """All of them where empty."""
    validates: bool = Field(default=False, alias="validate")
    """The caller answers for them."""
    keep_answers: bool = False
    """Make its answers facts of the firm."""


class ModelInfo(BaseModel):
    """A model the server knows."""

    name: str
    role: Literal["llm", "embedder"]
    licence: str
    publisher: str
    country: str
    bytes: int
    sha256: str
    present: bool
    used: bool
    """By the present settings."""


class MachineInfo(BaseModel):
    """What the server runs on."""

    cores: int
    memory_total: int | None
    """Bytes; ``None`` where the system does not say."""
    memory_available: int
    instruction_sets: list[str]
    jobs: dict[State, int]

"""What a page shows of a section: its paragraphs under the buyer's points, each sentence with its numbered sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.export import figures_of, place, point_title, referral, referred, tables_of
from pipeline.french import typeset
from pipeline.records import (
    Figure,
    Finding,
    FindingKind,
    Memoire,
    Paragraph,
    Passage,
    Requirement,
    Section,
    Sentence,
    Table,
    Tender,
)

FINDINGS: dict[FindingKind, str] = {
    "figure": "Chiffre",
    "name": "Nom",
    "claim": "Affirmation",
    "language": "Langue",
    "client": "Nom confidentiel",
    "empty": "Phrase creuse",
    "citation": "Source",
    "gap": "Question",
    "echo": "Redite de la demande",
    "stale": "Fait ancien",
    "repeat": "Répétition",
    "commitment": "Engagement",
    "comment": "Commentaire de relecteur",
}


@dataclass(frozen=True)
class Cited:
    """A source under the number it has in the section, from 1."""

    number: int
    passage: Passage

    @property
    def place(self) -> str:
        return typeset(place(self.passage))


@dataclass(frozen=True)
class Said:
    """A sentence and what it rests on."""

    sentence: Sentence
    sources: tuple[Cited, ...]


@dataclass(frozen=True)
class Piece:
    """A paragraph, what checks saw in it, and the requirements it answers."""

    paragraph: Paragraph
    said: tuple[Said, ...]
    findings: tuple[tuple[str, str], ...]
    """(kind, message), in French."""
    answers: tuple[Requirement, ...]


@dataclass(frozen=True)
class Group:
    """The paragraphs under one of the buyer's points; ``title`` is empty where they stand under none."""

    title: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Wanted:
    """A point of the buyer and where the section answers it."""

    text: str
    part: str | None
    state: Literal["answered", "open", "absent"]
    """Answered; a question stands in place of the answer; nothing does."""
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A section as the page shows it."""

    groups: tuple[Group, ...]
    points: tuple[Wanted, ...]
    findings: tuple[tuple[str, str], ...]
    """Those about no paragraph that stands."""
    sources: tuple[Cited, ...]


def view(section: Section, tender: Tender) -> View:
    """What the page shows of a section."""
    numbered = _numbered(section)
    known = {paragraph.id for paragraph in section.paragraphs}
    asked = {item.id: item for item in tender.requirements}
    loose = [finding for finding in section.findings if finding.paragraph not in known]
    return View(
        groups=tuple(_groups(section, numbered, asked)),
        points=tuple(_wanted(section)),
        findings=tuple(_told(loose)),
        sources=tuple(numbered.values()),
    )


def _numbered(section: Section) -> dict[str, Cited]:
    """Its sources by identifier, numbered as in the text to edit."""
    return {passage.id: Cited(number, passage) for number, passage in enumerate(section.passages, start=1)}


def _groups(section: Section, numbered: dict[str, Cited], asked: dict[str, Requirement]) -> Iterator[Group]:
    title, pieces = "", list[Piece]()
    for paragraph in section.paragraphs:
        points = section.brief.points
        own = paragraph.point is not None and paragraph.point < len(points)
        under = point_title(points[paragraph.point]) if own and paragraph.point is not None else ""
        if under != title and pieces:
            yield Group(title, tuple(pieces))
            pieces = []
        title = under
        pieces.append(_piece(section, paragraph, numbered, asked))
    if pieces:
        yield Group(title, tuple(pieces))


def _piece(section: Section, paragraph: Paragraph, numbered: dict[str, Cited], asked: dict[str, Requirement]) -> Piece:
    seen = [f for f in section.findings if f.paragraph == paragraph.id and not (f.kind == "gap" and paragraph.gap)]
    answered = [a.requirement for a in section.answers if a.paragraph == paragraph.id and a.requirement in asked]
    return Piece(
        paragraph=paragraph,
        said=tuple(
            Said(sentence, tuple(numbered[name] for name in sentence.passages if name in numbered))
            for sentence in paragraph.sentences
        ),
        findings=tuple(_told(seen)),
        answers=tuple(asked[name] for name in answered),
    )


def _told(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    for finding in findings:
        yield FINDINGS[finding.kind], typeset(finding.message)


def _wanted(section: Section) -> Iterator[Wanted]:
    for number, point in enumerate(section.brief.points):
        under = [p for p in section.paragraphs if p.point == number]
        said = [p.id for p in under if p.sentences or p.rows]
        state: Literal["answered", "open", "absent"] = "answered" if said else "open" if under else "absent"
        yield Wanted(point_title(point), point.part, state, tuple(said or [p.id for p in under]))


@dataclass(frozen=True)
class Exhibits:
    """What a section carries beside its text."""

    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]
    referred: tuple[str, ...]
    """« Voir le tableau … », where it is printed elsewhere."""


def exhibits(memoire: Memoire, section: Section) -> Exhibits:
    """The diagrams and tables of a section of the document."""
    return Exhibits(
        figures=tuple(figures_of(memoire, section)),
        tables=tuple(tables_of(memoire, section)),
        referred=tuple(referral(*item) for item in referred(memoire, section)),
    )

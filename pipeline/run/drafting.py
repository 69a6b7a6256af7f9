"""Index and plan -> drafted sections."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.apart import apart
from pipeline.attribute import Attribution, Sources, attribute
from pipeline.clients import secret_forms
from pipeline.diagrams import with_evidence
from pipeline.draft import Guard, Progress, draft_sections, inputs_fingerprint
from pipeline.embed import Embedder
from pipeline.ingest import Progress as IndexProgress
from pipeline.library import read_facts
from pipeline.llm import LanguageModel
from pipeline.outline import briefs_of, chosen, deliverable_plan, outline
from pipeline.records import Section, SectionBrief, unwritten
from pipeline.run.document import deliverable_of
from pipeline.run.indexing import load_index
from pipeline.run.models import load_embedder
from pipeline.settings import Settings
from pipeline.workspace import Dossier, read_consultation, read_draft, read_proposed, section_lock, write_draft


@dataclass(frozen=True)
class Choice:
    """What a document will say: the sections of its plan, and what each rests on."""

    briefs: tuple[SectionBrief, ...]
    attributions: Mapping[str, Attribution]


def choose(
    dossier: Dossier,
    embedder: Embedder,
    settings: Settings,
    deliverable: str | None = None,
    tell: IndexProgress | None = None,
) -> Choice:
    """Choose the passages of the mémoire, or of a deliverable: always of the whole, as sections share its sources."""
    tender = read_consultation(dossier)
    if deliverable is None:
        briefs = [with_evidence(brief) for brief in briefs_of(tender)]
    else:
        briefs = outline(deliverable_plan(deliverable_of(tender, deliverable)))
    sources = Sources(load_index(dossier, embedder, settings), embedder, secrets_of(dossier), dt.date.today())
    requirements = tender.requirements if deliverable is None else ()
    places = {link.source: link.target for link in tender.links if link.kind == "requirement"}
    return Choice(tuple(briefs), attribute(briefs, requirements, places, sources, settings, tell))


def choose_apart(
    dossier: Dossier, settings: Settings, deliverable: str | None = None, tell: IndexProgress | None = None
) -> Choice:
    """The same in a process of its own, with the embedder the settings name."""
    return apart(_choose, dossier, settings, deliverable, tell=tell)


def _choose(dossier: Dossier, settings: Settings, deliverable: str | None, tell: IndexProgress) -> Choice:
    return choose(dossier, load_embedder(settings), settings, deliverable, tell)


def secrets_of(dossier: Dossier) -> tuple[tuple[str, str], ...]:
    """Spellings of the clients who may not be named, and how to call them."""
    return secret_forms(read_facts(dossier.library(), dt.date.today()).clients)


@dataclass(frozen=True)
class Drafted:
    """A section as it now stands."""

    section: Section
    path: Path | None
    """Where it was written; ``None`` where nothing had to be done, or nothing may be."""
    locked_by: str | None = None
    """Who keeps it for themselves, so that it was left alone."""


def draft_dossier(
    dossier: Dossier,
    choice: Choice,
    sections: Sequence[str],
    model: Callable[[], LanguageModel],
    settings: Settings,
    *,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Iterator[Drafted]:
    """Draft the sections named, or all, but those that a person keeps for themselves; yields each as it is saved.
    Interrupting loses at most the sections in hand."""
    briefs = chosen(choice.briefs, sections)
    writer = model()
    with dossier.lock():
        wanted: list[SectionBrief] = []
        for brief in briefs:
            if lock := section_lock(dossier, brief.number):
                yield Drafted(read_draft(dossier, brief.number) or unwritten(brief), None, lock.by)
                continue
            inputs = inputs_fingerprint(brief, choice.attributions[brief.number], writer, settings)
            known = (read_draft(dossier, brief.number), read_proposed(dossier, brief.number))
            previous = next((section for section in known if section and section.inputs_sha256 == inputs), None)
            if previous and not force:
                yield Drafted(previous, None)
            else:
                wanted.append(brief)
        if wanted:
            dossier.note("schedule", sections=[brief.number for brief in wanted], parallel=settings.llm.parallel)
        guard = Guard(tuple(form for form, _ in secrets_of(dossier)), dt.date.today())
        for section in draft_sections(wanted, choice.attributions, guard, writer, settings, progress):
            path = write_draft(dossier, section)
            if path is None:  # locked meanwhile
                lock = section_lock(dossier, section.number)
                stands = read_draft(dossier, section.number) or unwritten(section.brief)
                yield Drafted(stands, None, lock.by if lock else None)
            else:
                yield Drafted(section, path)

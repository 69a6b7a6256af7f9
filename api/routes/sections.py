"""Sections: their text, its sources, what people make of it."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from api.access import Asked, api_dossier
from api.problems import NotFound
from api.schemas import AnswerSent, LockInfo, SectionText, TakenInfo, TextSent
from api.server import Server, server_of
from api.typed import TypedRoute
from pipeline import run
from pipeline.records import ReviewedSection, Section, SectionState, VersionInfo
from pipeline.workspace import read_consultation, read_draft

router = APIRouter(prefix="/v1/dossiers/{dossier}/sections", tags=["sections"], route_class=TypedRoute)
Reader = Annotated[Asked, Depends(api_dossier("read"))]
Reviewer = Annotated[Asked, Depends(api_dossier("review"))]
Writer = Annotated[Asked, Depends(api_dossier("write"))]
Shared = Annotated[Server, Depends(server_of)]
Number = Annotated[str, Path(max_length=100, description="As « number » in the list", examples=["4.2"])]


@router.get("")
def sections(asked: Reader) -> list[SectionState]:
    """The imposed plan in its order, with the state of each section; empty where the buyer imposes none."""
    return run.section_states(asked.dossier)


@router.get("/{number}")
def section(asked: Reader, number: Number) -> Section:
    """A section with its sentences, the passages they rest on and what the checks found."""
    return _drafted(asked, number)


def _drafted(asked: Asked, number: str) -> Section:
    found = read_draft(asked.dossier, _named(asked, number))
    if found is None:
        raise NotFound("Cette section n’est pas rédigée", where=number)
    return found


def _named(asked: Asked, number: str) -> str:
    """The section's name in the plan. Raises NotFound where it is not of the plan."""
    if all(node.name != number for node in read_consultation(asked.dossier).plan):
        raise NotFound("Cette section n’est pas au plan", where=number)
    return number


@router.get("/{number}/text")
def text(asked: Reader, number: Number) -> SectionText:
    """The section as a person edits it."""
    found, path = read_draft(asked.dossier, _named(asked, number)), asked.dossier.draft(number)
    return SectionText(
        number=number,
        text=run.text_of(found) if found else "",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest() if found else None,
        sources=list(found.passages) if found else [],
    )


@router.put("/{number}/text")
def put_text(sent: TextSent, server: Shared, asked: Writer, number: Number) -> TakenInfo:
    """Put a person's text in the section's place: what it replaces becomes a version, and nothing drafts over it."""
    _named(asked, number)
    taken = run.write_text(asked.dossier, number, sent.text, by=asked.caller.user, base=sent.base)
    server.journal.note(asked.caller.user, "text", dossier=asked.dossier.root.name, section=number)
    return taken_info(taken)


@router.post("/{number}/answers")
def answer(sent: AnswerSent, server: Shared, asked: Writer, number: Number) -> TakenInfo:
    """Answer a question of the draft (« [À COMPLÉTER : …] »)."""
    _named(asked, number)
    taken = run.answer_gap(asked.dossier, number, sent.paragraph, sent.answer, by=asked.caller.user, keep=sent.keep)
    server.journal.note(asked.caller.user, "answer", dossier=asked.dossier.root.name, section=number, keep=sent.keep)
    return taken_info(taken)


@router.post("/{number}/validation")
def validate(server: Shared, asked: Reviewer, number: Number) -> TakenInfo:
    """Answer for the section as it stands: no question may be left in it."""
    taken = run.validate_section(asked.dossier, _named(asked, number), by=asked.caller.user)
    server.journal.note(asked.caller.user, "validate", dossier=asked.dossier.root.name, section=number)
    return taken_info(taken)


@router.get("/{number}/lock")
def lock_of(asked: Reader, number: Number) -> LockInfo | None:
    """Who keeps the section to themselves; null where nobody does."""
    found = run.section_lock(asked.dossier, _named(asked, number))
    return LockInfo(by=found.by, when=found.when) if found else None


@router.put("/{number}/lock")
def lock(server: Shared, asked: Reviewer, number: Number) -> LockInfo:
    """Keep the section: nothing drafts it, nobody else writes in it."""
    found = run.lock_section(asked.dossier, _named(asked, number), asked.caller.user)
    server.journal.note(asked.caller.user, "lock", dossier=asked.dossier.root.name, section=number)
    return LockInfo(by=found.by, when=found.when)


@router.delete("/{number}/lock", status_code=204)
def unlock(server: Shared, asked: Writer, number: Number) -> None:
    """Give the section back."""
    run.unlock_section(asked.dossier, _named(asked, number), asked.caller.user)
    server.journal.note(asked.caller.user, "unlock", dossier=asked.dossier.root.name, section=number)


@router.get("/{number}/versions")
def versions(asked: Reader, number: Number) -> list[VersionInfo]:
    """What the section was, oldest first; then « proposee », a draft beside a person's text, and « actuelle »."""
    return run.section_versions(asked.dossier, _named(asked, number))


@router.get("/{number}/versions/{version}")
def version(asked: Reader, number: Number, version: str) -> Section:
    """The section as it was."""
    return run.section_version(asked.dossier, _named(asked, number), _known(asked, number, version))


def _known(asked: Asked, number: str, version: str) -> str:
    if all(item.id != version for item in run.section_versions(asked.dossier, number)):
        raise NotFound("Cette version n’existe pas", where=version)
    return version


@router.get("/{number}/versions/{version}/compare/{other}")
def compare(asked: Reader, number: Number, version: str, other: str) -> ReviewedSection:
    """What changed from one version to another, paragraph by paragraph."""
    _named(asked, number)
    before, after = (_known(asked, number, name) for name in (version, other))
    return run.compare_versions(asked.dossier, number, before, after)


@router.post("/{number}/versions/{version}/restore")
def restore(server: Shared, asked: Writer, number: Number, version: str) -> TakenInfo:
    """Put a version back, or take the draft that stands beside; what it replaces becomes a version."""
    _named(asked, number)
    taken = run.restore_version(asked.dossier, number, _known(asked, number, version), by=asked.caller.user)
    name = asked.dossier.root.name
    server.journal.note(asked.caller.user, "restore", dossier=name, section=number, version=version)
    return taken_info(taken)


def taken_info(taken: run.Taken) -> TakenInfo:
    """What was written, as the API tells it."""
    return TakenInfo(
        sections=[section.number for section in taken.sections],
        unchanged=list(taken.unchanged),
        remarks=list(taken.remarks),
        answered=taken.answered,
        kept=taken.kept,
    )

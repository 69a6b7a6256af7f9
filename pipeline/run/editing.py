"""What people do to one section: write it, answer a question of it, keep it for themselves, go back to a version."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.accept import Handed, accept_typed, read_typed, restored
from pipeline.accept.parts import Told
from pipeline.accept.typed import Typed, printed, text_of
from pipeline.answers import keep_answers
from pipeline.coverage import compliance
from pipeline.diagrams import with_evidence
from pipeline.errors import DossierError, MemoireError, StaleTextError
from pipeline.french import printable
from pipeline.outline import briefs_of, deliverable_plan, outline
from pipeline.records import (
    Block,
    Compliance,
    Document,
    FirmAnswer,
    Lock,
    Memoire,
    PlanNode,
    Requirement,
    ReviewedSection,
    Section,
    SectionBrief,
    Tender,
    VersionInfo,
    unwritten,
)
from pipeline.review import review
from pipeline.run.drafting import secrets_of
from pipeline.run.reviewing import Taken
from pipeline.run.states import words_of
from pipeline.workspace import (
    Dossier,
    draft_sha256,
    drop_proposed,
    machine_draft,
    read_consultation,
    read_draft,
    read_proposed,
    read_version,
    refuse_locked,
    versions,
    write_accepted,
)
from pipeline.workspace import lock_section as _lock
from pipeline.workspace import unlock_section as _unlock

LONGEST = 200_000
"""Characters a person may save as one section: about 100 pages, where the longest of the sample has 4."""
CURRENT: Literal["actuelle"] = "actuelle"
PROPOSED: Literal["proposee"] = "proposee"


def write_text(dossier: Dossier, number: str, text: str, *, by: str, base: str | None = None) -> Taken:
    """Save what a person typed (pipeline/accept/typed.py) as the text of a section.

    ``base``: ``workspace.draft_sha256`` of the section that the person began to change; ``None`` checks nothing. Raises
    StaleTextError where it has changed since, SectionLockedError where another person keeps it, DossierError where the
    text is empty though the section is not, or too long.
    """
    if len(text) > LONGEST:
        raise DossierError(
            f"Ce texte est trop long : {len(text)} caractères, pour {LONGEST} au plus",
            where=f"section {number}",
            remedy="Répartissez-le entre plusieurs sections.",
        )
    desk = _desk(dossier, number, by)
    with dossier.editing():
        section = desk.section(base)
        typed = read_typed(section, printable(text))
        shown = [item.paragraph.id for item in printed(section)]
        if shown and not typed.told:
            raise DossierError(
                "Le texte est vide",
                where=f"section {number}",
                remedy="Gardez au moins une phrase, ou restaurez une version.",
            )
        if [item.same for item in typed.told] == shown:
            return Taken((), (number,), typed.remarks, 0, 0)
        return desk.save(section, typed, text)


def answer_gap(dossier: Dossier, number: str, paragraph_id: str, answer: str, *, by: str, keep: bool = False) -> Taken:
    """Put a person's answer, of one or several paragraphs, in the place of a question of a section; ``keep`` makes it a
    fact of the firm. Raises StaleTextError where the question is no longer there, SectionLockedError, DossierError
    where the answer is empty."""
    if len(answer) > LONGEST or not printable(answer).strip():
        raise DossierError(
            f"La réponse est {'trop longue' if answer.strip() else 'vide'}",
            where=f"section {number}",
            remedy=f"Écrivez au plus {LONGEST} caractères.",
        )
    desk = _desk(dossier, number, by)
    with dossier.editing():
        section = desk.section(None)
        asked = next((p for p in section.paragraphs if p.id == paragraph_id and p.gap), None)
        if asked is None:
            raise StaleTextError(
                "Cette question n'est plus dans la section",
                where=f"section {number}",
                remedy="Rechargez la page : quelqu'un y a peut-être répondu.",
            )
        unpointed = section.model_copy(
            update={"paragraphs": (), "brief": section.brief.model_copy(update={"points": ()})}
        )
        read = read_typed(unpointed, printable(answer))
        given = [Told(item.text, asked.point, item.item, item.rows) for item in read.told]
        told: list[Told] = []
        for item in printed(section):
            same = Told(item.text, item.paragraph.point, item.paragraph.item, item.paragraph.rows, item.paragraph.id)
            told += given if item.paragraph is asked else [same]
        return desk.save(section, Typed(tuple(told), read.remarks), answer, keep=keep)


def validate_section(dossier: Dossier, number: str, *, by: str) -> Taken:
    """Answer for a section as it stands, from which time it is a person's text. Raises SectionLockedError, DossierError
    where nothing is written or a question is left in it."""
    desk = _desk(dossier, number, by)
    with dossier.editing():
        section = desk.section(None)
        items = printed(section)
        if not items:
            raise DossierError("Rien n'est écrit ici", where=f"section {number}", remedy="Rédigez-la d'abord.")
        if any(paragraph.gap for paragraph in section.paragraphs):
            raise DossierError(
                "Il y reste une question", where=f"section {number}", remedy="Répondez-y avant de valider."
            )
        told = [Told(i.text, i.paragraph.point, i.paragraph.item, i.paragraph.rows, i.paragraph.id) for i in items]
        return desk.save(section, Typed(tuple(told), ()), text_of(section), validates=True)


@dataclass(frozen=True)
class _Desk:
    """What is needed to write a section, read before anyone is made to wait."""

    dossier: Dossier
    tender: Tender
    node: PlanNode
    brief: SectionBrief | None
    by: str
    secrets: Sequence[str]

    def section(self, base: str | None) -> Section:
        """The section as it stands, empty where nothing is written. Raises SectionLockedError, StaleTextError."""
        number = self.node.name
        refuse_locked(self.dossier, number, self.by)
        if base is not None and base != draft_sha256(self.dossier, number):
            raise StaleTextError(
                "Cette section a changé depuis que vous l'avez ouverte",
                where=f"section {number}",
                remedy="Gardez votre texte de côté, rechargez la section, puis reportez-y vos changements.",
            )
        title = SectionBrief(
            number=number, title=self.node.title, level=self.node.level, chapter=self.node.title, points=()
        )
        return read_draft(self.dossier, number) or unwritten(self.brief or title)

    def save(self, before: Section, typed: Typed, text: str, *, keep: bool = False, validates: bool = False) -> Taken:
        """Write the section as it was typed; the one before becomes a version."""
        now = dt.datetime.now().astimezone()
        done = accept_typed(
            self._memoire(before),
            self.brief,
            machine_draft(self.dossier, before.number),
            typed,
            Document(name="", sha256=_digest(text), kind="response", pages=None, blocks=()),
            self.secrets,
            Handed(self.by, now.isoformat(timespec="seconds"), validates),
        )
        subject = self.tender.object or self.dossier.root.name
        answers = [
            FirmAnswer(
                question=item.question,
                answer=item.answer,
                by=self.by,
                date=now.date().isoformat(),
                section=item.section,
                tender=subject,
            )
            for item in done.answers
        ]
        kept = keep_answers(self.dossier.library(), answers)[1] if keep and answers else 0
        for section in done.sections:
            write_accepted(self.dossier, section)
        return Taken(done.sections, (), done.remarks, len(answers), kept)

    def _memoire(self, section: Section) -> Memoire:
        """The mémoire reduced to this section, with the requirements it may name."""
        rows = compliance(self.tender, [section])
        known = {row.requirement.id for row in rows}
        gone = [answer for answer in section.answers if answer.sentence and answer.requirement not in known]
        return Memoire(
            title="",
            buyer=None,
            reference=None,
            plan=(self.node,),
            sections=(section,),
            compliance=(*rows, *(_withdrawn(answer.requirement) for answer in gone)),
        )


def _withdrawn(name: str) -> Compliance:
    """A requirement that a draft answers and that the buyer no longer makes."""
    return Compliance(requirement=Requirement(id=name, text=name, mandatory=False, document=""), section="")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _desk(dossier: Dossier, number: str, by: str) -> _Desk:
    tender = read_consultation(dossier)
    node, briefs = _node(tender, number)
    secrets = [form for form, _ in secrets_of(dossier)]
    return _Desk(dossier, tender, node, briefs.get(number), _signed(by), secrets)


def _signed(by: str) -> str:
    """A name, without which nothing of a person's is kept. Raises DossierError."""
    if not by.strip():
        raise DossierError("Un texte ou un verrou porte un nom", remedy="Dites qui vous êtes (« --by »).")
    return by.strip()


def _node(tender: Tender, number: str) -> tuple[PlanNode, Mapping[str, SectionBrief]]:
    """A heading of the plan, or of a deliverable, and the briefs beside it. Raises MemoireError where there is none."""
    for item in (None, *tender.deliverables):
        plan = tender.plan if item is None else deliverable_plan(item)
        node = next((node for node in plan if node.name == number), None)
        if node is not None:
            briefs = map(with_evidence, briefs_of(tender)) if item is None else outline(plan)
            return node, {brief.number: brief for brief in briefs}
    raise MemoireError(
        f"La section « {number} » n'est pas dans le plan",
        remedy=f"Sections : {', '.join(node.name for node in tender.plan) or 'aucune'}.",
    )


# --- locks -------------------------------------------------------------------------------------------------


def lock_section(dossier: Dossier, number: str, by: str) -> Lock:
    """Keep a section for a person: nothing drafts it and nobody else writes it until it is unlocked. Raises
    SectionLockedError where another person keeps it, MemoireError where the plan has no such section."""
    _node(read_consultation(dossier), number)
    return _lock(dossier, number, _signed(by))


def unlock_section(dossier: Dossier, number: str, by: str) -> Lock | None:
    """Free a section, whoever kept it; who may is for the caller to say. ``None`` where nobody kept it."""
    _node(read_consultation(dossier), number)
    return _unlock(dossier, number, _signed(by))


# --- versions ----------------------------------------------------------------------------------------------


def section_versions(dossier: Dossier, number: str) -> list[VersionInfo]:
    """What a section is, the draft that stands beside it, and what it was before, the newest first."""
    written = {line["sha256"]: line["when"] for line in dossier.journal() if line["what"] in ("draft", "accept")}
    found: list[VersionInfo] = []
    stands, beside = read_draft(dossier, number), read_proposed(dossier, number)
    if stands:
        found.append(_told(CURRENT, stands, written.get(draft_sha256(dossier, number))))
    if beside:
        found.append(_told(PROPOSED, beside, None))
    for path in reversed(versions(dossier, number)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(_told(path.stem, read_version(path), written.get(digest)))
    return found


def _told(name: str, section: Section, when: str | None) -> VersionInfo:
    accepted = section.accepted
    return VersionInfo(
        id=name,
        when=accepted.when if accepted else when,
        by=accepted.by if accepted else None,
        model=section.model,
        words=words_of(section),
        accepted=accepted is not None,
        validated_by=accepted.validated_by if accepted else None,
    )


def section_version(dossier: Dossier, number: str, version: str) -> Section:
    """A version by its identifier: « actuelle », « proposee », or one of :func:`section_versions`. Raises DossierError
    where there is none."""
    if version == CURRENT:
        found = read_draft(dossier, number)
    elif version == PROPOSED:
        found = read_proposed(dossier, number)
    else:
        found = next((read_version(path) for path in versions(dossier, number) if path.stem == version), None)
    if found is None:
        raise DossierError(
            f"La section {number} n'a pas de version « {version} »",
            where=dossier.root,
            remedy="Rechargez la liste de ses versions.",
        )
    return found


def compare_versions(dossier: Dossier, number: str, before: str, after: str) -> ReviewedSection:
    """What changed from one version to another, paragraph by paragraph; sources are numbered as in ``after``, those
    that only ``before`` cites after them. Raises DossierError where there is no such version."""
    left, right = (section_version(dossier, number, version) for version in (before, after))
    passages = tuple({passage.id: passage for section in (right, left) for passage in section.passages}.values())
    node = PlanNode(number=right.number, title=right.title, level=1)
    ours, theirs = (_blocks(node, section.model_copy(update={"passages": passages})) for section in (left, right))
    return next(item for item in review([node], ours, theirs).sections if item.number == node.name)


def _blocks(node: PlanNode, section: Section) -> list[Block]:
    """A section as its text shows it, its heading first."""
    said = [
        Block(kind="table", text=item.text, rows=item.paragraph.rows)
        if item.paragraph.rows
        else Block(kind="item" if item.paragraph.item else "paragraph", text=item.text.removeprefix("- "))
        for item in printed(section)
    ]
    return [Block(kind="heading", text=node.heading, level=1), *said]


def restore_version(dossier: Dossier, number: str, version: str, *, by: str) -> Taken:
    """Make a version the section's text again; the present one becomes a version. « proposee » adopts the draft that
    stands beside. Raises SectionLockedError, DossierError where there is no such version."""
    name = _signed(by)
    node, _ = _node(read_consultation(dossier), number)
    with dossier.editing():
        refuse_locked(dossier, number, name)
        wanted = section_version(dossier, number, version)
        if version == CURRENT:
            return Taken((), (number,), (), 0, 0)
        now = dt.datetime.now().astimezone().isoformat(timespec="seconds")
        machine = wanted if wanted.accepted is None and wanted.model else machine_draft(dossier, number)
        section = restored(node, wanted, machine, Handed(name, now))
        write_accepted(dossier, section)
        if version == PROPOSED:
            drop_proposed(dossier, number)
    return Taken((section,), (), (), 0, 0)


__all__ = [
    "answer_gap",
    "compare_versions",
    "lock_section",
    "restore_version",
    "section_version",
    "section_versions",
    "text_of",
    "unlock_section",
    "write_text",
]

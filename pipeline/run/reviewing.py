"""A person's Word document against ours, and back into the dossier."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import weights
from pipeline.accept import Handed, accept
from pipeline.answers import keep_answers
from pipeline.diagrams import with_evidence
from pipeline.errors import DossierError
from pipeline.export.tracked import write_tracked
from pipeline.export.word import to_docx
from pipeline.french import typeset
from pipeline.outline import briefs_of, named
from pipeline.readers.docx import pictures, read_docx
from pipeline.readers.lines import with_contents
from pipeline.readers.reviewed import Reviewed, read_reviewed
from pipeline.records import Block, Document, FirmAnswer, Memoire, Review, Section
from pipeline.review import review
from pipeline.run.document import layout_of, memoire_of, rendered
from pipeline.run.drafting import secrets_of
from pipeline.settings import Settings
from pipeline.workspace import Dossier, machine_draft, read_consultation, read_draft, section_lock, write_accepted


@dataclass(frozen=True)
class KeptReview:
    """A comparison, and where it is kept."""

    review: Review
    path: Path


def review_dossier(dossier: Dossier, human: Path, settings: Settings | None = None) -> Review:
    """Compare the document as it would be exported with what people made of it; kept in the dossier's reviews/. The day
    on the cover is not compared: it is the export's."""
    return keep_review(dossier, human, settings).review


def keep_review(dossier: Dossier, human: Path, settings: Settings | None = None) -> KeptReview:
    """The same, with its file."""
    theirs = human_document(human)
    memoire = memoire_of(dossier)
    ours, _ = read_docx(to_docx(memoire, layout_of(dossier, settings or Settings())), "export")
    found = review(memoire.plan, _undated(with_contents(ours)), _undated(theirs.blocks), theirs.remarks)
    path = dossier.root / "reviews" / f"{dt.datetime.now():%Y%m%d-%H%M%S}-{human.stem}.json"
    weights.write_whole(path, found.model_dump_json(indent=1))
    dossier.note("review", file=path.name, human=human.name, acceptance=found.acceptance)
    return KeptReview(found, path)


def _undated(blocks: Sequence[Block]) -> list[Block]:
    """Without the lines that are only a day."""
    return [block for block in blocks if not re.fullmatch(r"\d{2}/\d{2}/\d{4}", block.text)]


def track_changes(dossier: Dossier, human: Path, target: Path, settings: Settings | None = None) -> None:
    """Write the human document with the revisions that lead to it from the exported one: accepting all gives the
    former, rejecting all the latter. Raises DossierError or DocumentError where the two cannot be compared."""
    human_document(human)
    if not target.parent.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=target.parent, remedy="Créez-le, ou changez --tracked.")
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "genere.docx"
        ours.write_bytes(rendered(memoire_of(dossier), "docx", layout_of(dossier, settings or Settings()))[0])
        write_tracked(ours, human, target, "Relecture", f"{dt.datetime.now():%Y-%m-%dT%H:%M:%SZ}")


def human_document(path: Path) -> Reviewed:
    """The document people worked on. Raises DossierError where it is no Word document of today."""
    if path.suffix.lower() != ".docx":
        raise DossierError("Un document Word est attendu", where=path, remedy="Enregistrez-le au format .docx.")
    return read_reviewed(path)


def _document(path: Path) -> Document:
    """The same, with what names it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Document(name=path.name, sha256=digest, kind="response", pages=None, blocks=human_document(path).blocks)


@dataclass(frozen=True)
class Taken:
    """What a person's document changed in a dossier."""

    sections: tuple[Section, ...]
    """Written, in plan order."""
    unchanged: tuple[str, ...]
    """Numbers of those that already said the same."""
    remarks: tuple[str, ...]
    """One French line for each thing that was left alone."""
    answered: int
    """Questions of the draft that the document answers."""
    kept: int
    """Of these, how many were added to the library."""


def accept_dossier(
    dossier: Dossier,
    human: Path,
    sections: Sequence[str] = (),
    *,
    by: str | None = None,
    validate: bool = False,
    keep: bool = False,
    settings: Settings | None = None,
) -> Taken:
    """Take the text of a Word document back into the sections named, or all; ``keep`` makes its answers facts of the
    firm. Everything is prepared before anything is written; a section that another person keeps, or that somebody wrote
    meanwhile, is left alone and told. Raises DossierError where the document is of no use, or
    somebody must sign and ``by`` is empty."""
    if (validate or keep) and not (by and by.strip()):
        raise DossierError(
            "Une réponse gardée ou une validation porte un nom", remedy="Ajoutez « --by » et le nom de la personne."
        )
    with dossier.lock():
        found = review_dossier(dossier, human, settings)
        memoire, tender, now = memoire_of(dossier), read_consultation(dossier), dt.datetime.now().astimezone()
        wanted = named(memoire.plan, sections)
        left = [line for number in _in_plan(memoire, wanted) if (line := _held(dossier, number, by))]
        wanted = {number for number in wanted if not _held(dossier, number, by)}
        briefs = {brief.number: with_evidence(brief) for brief in briefs_of(tender)}
        machine = {s.number: draft for s in memoire.sections if (draft := machine_draft(dossier, s.number))}
        done = accept(
            memoire,
            briefs,
            machine,
            _document(human),
            found,
            wanted,
            [form for form, _ in secrets_of(dossier)],
            Handed(by and by.strip(), now.isoformat(timespec="seconds"), validate),
        )
        day, subject = now.date().isoformat(), tender.object or dossier.root.name
        answers = [
            FirmAnswer(
                question=item.question, answer=item.answer, by=by or "", date=day, section=item.section, tender=subject
            )
            for item in done.answers
        ]
        kept = keep_answers(dossier.library(), answers)[1] if keep and answers else 0
        before = {section.number: section for section in memoire.sections}
        written, unchanged = [], []
        with dossier.editing():
            for section in done.sections:
                stands = read_draft(dossier, section.number)
                if line := _held(dossier, section.number, by):
                    left.append(line)
                elif stands != before.get(section.number):
                    left.append(f"{section.number} : changée pendant la reprise, section laissée telle quelle.")
                elif _same(stands, section):
                    unchanged.append(section.number)
                else:
                    write_accepted(dossier, section)
                    written.append(section)
    added = pictures(human.read_bytes()) - len(memoire.figures)
    seen = (f"Images ajoutées au document : {added} ; elles ne sont pas reprises.",) if added > 0 else ()
    remarks = (*done.remarks, *map(typeset, left), *seen)
    return Taken(tuple(written), tuple(unchanged), remarks, len(answers), kept)


def _in_plan(memoire: Memoire, names: Collection[str]) -> list[str]:
    """These headings in the order of the plan."""
    return [node.name for node in memoire.plan if node.name in names]


def _held(dossier: Dossier, number: str, by: str | None) -> str:
    """Why a section is left alone where another person keeps it; empty elsewhere."""
    lock = section_lock(dossier, number)
    return f"{number} : verrouillée par {lock.by}, section laissée telle quelle." if lock and lock.by != by else ""


def _same(before: Section | None, after: Section) -> bool:
    """Whether a section was accepted just so already, but for the hour."""
    if before is None or before.accepted is None or after.accepted is None:
        return False
    return before == after.model_copy(
        update={"accepted": after.accepted.model_copy(update={"when": before.accepted.when})}
    )

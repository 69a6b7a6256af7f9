"""A mémoire kept as a case: the sample dossier's drafts as the default model wrote them (evals/cases/sample/drafts).

No model, no index: the consultation is read, the drafts are put beside it, and the document is made of both.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import coverage, run
from pipeline.case import Item
from pipeline.clients import secret_forms
from pipeline.export.word import Layout, to_docx
from pipeline.form import least_points
from pipeline.library import read_facts
from pipeline.readers.docx import read_docx
from pipeline.readers.form import form_of
from pipeline.records import CoverageReport, DocumentForm, Memoire, Section, Tender
from pipeline.settings import ROOT
from pipeline.workspace import Dossier, create, read_consultation

DRAFTS = ROOT / "evals" / "cases" / "sample" / "drafts"
SHIPPED = DocumentForm(
    format="docx",
    megabytes=0.4,
    papers=((210, 297),),
    smallest=10.0,
    smallest_style="Normal",
    fonts=("Liberation Sans",),
    numbered=True,
    contents=True,
)
"""The form that the shipped template gives where the buyer wants 10 points at least; ``Kept.exported`` reads it from
the document."""
DAY = dt.date(2026, 11, 22)
"""Day of the drafts: certificates are valid or not as they were then."""


@dataclass(frozen=True)
class Kept:
    """What is scored: a mémoire, its tender, the headings of its document, and whom it may not name."""

    tender: Tender
    memoire: Memoire
    headings: tuple[str, ...]
    secrets: tuple[str, ...]
    form: DocumentForm
    """Of its document."""

    def report(self) -> CoverageReport:
        """Its scores, with what made it."""
        return coverage.cover(
            self.tender, self.memoire, self.headings, made_by(self.memoire.sections), self.secrets, self.form
        )

    def items(self) -> dict[str, list[Item]]:
        """What each metric counts."""
        return coverage.items(self.tender, self.memoire, self.headings, self.secrets, self.form)

    def exported(self) -> Kept:
        """With headings and form read back from the Word document (about ten seconds)."""
        written = to_docx(self.memoire, Layout(least_points=least_points(self.tender)))
        blocks, _ = read_docx(written, "export")
        headings = tuple(block.text for block in blocks if block.kind == "heading")
        return replace(self, headings=headings, form=form_of(written))


def made_by(sections: Sequence[Section]) -> dict[str, str]:
    """Models, prompts and settings that sections were drafted with, each once."""
    return {
        "models": ", ".join(sorted({f"{s.model}@{s.model_sha256[:12]}" for s in sections})),
        "prompts": ", ".join(sorted({s.prompt_sha256[:12] for s in sections})),
        "settings": ", ".join(
            sorted({f"{g}.{k}={v}" for s in sections for g, values in s.settings.items() for k, v in values.items()})
        ),
    }


def kept_dossier(folder: Path) -> Dossier:
    """The kept case as a dossier in a new folder."""
    dossier, _ = create(folder, [ROOT / "corpus" / "dce"], [ROOT / "corpus" / "library"])
    run.read_dossier(dossier)
    for path in sorted(DRAFTS.glob("*.json")):
        dossier.draft(path.stem).write_bytes(path.read_bytes())
    return dossier


def of_dossier(dossier: Dossier) -> Kept:
    """A dossier as a case, on the day of the kept one."""
    memoire = run.memoire_of(dossier, today=DAY)
    secrets = secret_forms(read_facts(dossier.library(), DAY).clients)
    headings = tuple(node.heading for node in memoire.plan)
    return Kept(read_consultation(dossier), memoire, headings, tuple(form for form, _ in secrets), SHIPPED)


def kept() -> Kept:
    """The kept case, with the headings that its plan imposes; a few seconds."""
    with tempfile.TemporaryDirectory() as folder:
        return of_dossier(kept_dossier(Path(folder) / "sample"))

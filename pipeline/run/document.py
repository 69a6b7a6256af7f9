"""Drafted sections -> the document, and its files."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline import weights
from pipeline.coverage import compliance
from pipeline.diagrams import section_figures
from pipeline.errors import DossierError, MemoireError
from pipeline.export.pages import available as libreoffice
from pipeline.export.pages import lay_out
from pipeline.export.text import to_html, to_markdown
from pipeline.export.word import Layout, to_docx
from pipeline.form import least_points
from pipeline.outline import branch, deliverable_plan, outline
from pipeline.pages import page_limit
from pipeline.records import Compliance, Deliverable, Memoire, PlanNode, Section, Tender
from pipeline.settings import Settings, SplitSettings
from pipeline.tables import Catalogue, read_catalogue, section_tables
from pipeline.workspace import Dossier, read_consultation, read_draft

Format = Literal["docx", "pdf", "md", "html"]


def memoire_of(
    dossier: Dossier,
    passage_chars: int = SplitSettings().passage_chars,
    deliverable: str | None = None,
    chapter: str | None = None,
    today: dt.date | None = None,
) -> Memoire:
    """The answer as it stands, a chapter of it, or a deliverable: its plan, whatever is drafted, and the tables of what
    is drafted, as certificates are valid on ``today`` (the present day). Raises MemoireError where there is no such
    chapter or deliverable."""
    tender = read_consultation(dossier)
    item = deliverable_of(tender, deliverable) if deliverable else None
    kind = f"{item.code} – {item.title}" if item else "Mémoire technique"
    plan = deliverable_plan(item) if item else tender.plan
    if chapter:
        plan = branch(plan, chapter)
        kind = f"{kind} : {plan[0].heading}"
    sections = sections_of(dossier, plan)
    catalogue = read_catalogue(dossier.library(), today or dt.date.today(), passage_chars) if sections else Catalogue()
    return Memoire(
        title=_capital(tender.object or dossier.root.name),
        kind=kind,
        buyer=tender.buyer,
        reference=tender.reference,
        plan=plan,
        sections=sections,
        tables=section_tables(sections, catalogue, tender),
        figures=section_figures(sections, catalogue),
        compliance=_kept(compliance(tender, sections), plan, chapter) if sections and not item else (),
        **_validated(sections),
    )


def sections_of(dossier: Dossier, plan: Sequence[PlanNode]) -> tuple[Section, ...]:
    """The sections drafted so far, in plan order, with what people wrote under the titles of chapters. Raises
    PlanMissingError where the plan is empty."""
    outline(plan)
    found = (read_draft(dossier, node.name) for node in plan)
    return tuple(section for section in found if section is not None)


def deliverable_of(tender: Tender, code: str) -> Deliverable:
    """The document to hand in of this code. Raises MemoireError where the buyer asks for none such."""
    found = next((item for item in tender.deliverables if item.code.lower() == code.lower()), None)
    if found is None:
        codes = ", ".join(item.code for item in tender.deliverables)
        raise MemoireError(f"Le livrable « {code} » n'est pas demandé", remedy=f"Livrables : {codes or 'aucun'}.")
    return found


def _kept(rows: Sequence[Compliance], plan: Sequence[PlanNode], chapter: str | None) -> tuple[Compliance, ...]:
    """The requirements that a document of this plan is about: all of them, or its chapter's."""
    names = {node.name for node in plan}
    return tuple(row for row in rows if chapter is None or row.section in names)


def _validated(sections: Sequence[Section]) -> dict[str, Any]:
    """Who validated the document and when, where every section that is drafted was."""
    signed = [(s.accepted.validated_by, s.accepted.when) for s in sections if s.accepted and s.accepted.validated_by]
    if not signed or len(signed) < len(sections):
        return {}
    return {
        "validated_by": tuple(dict.fromkeys(by for by, _ in signed)),
        "validated_on": max(w for _, w in signed)[:10],
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Exported:
    """A document written."""

    path: Path
    pages: int | None
    """``None`` where nothing laid it out: LibreOffice is not installed, or the format has no pages."""
    limit: int | None
    """Most pages the buyer allows the mémoire; ``None`` where nothing is said."""


def export_dossier(
    dossier: Dossier,
    target: Path | None,
    form: Format,
    settings: Settings,
    *,
    deliverable: str | None = None,
    chapter: str | None = None,
) -> Exported:
    """Write the document whole: the mémoire, a chapter of it or a deliverable."""
    name = "-".join(filter(None, (deliverable or "memoire", chapter and f"chapitre-{chapter}")))
    path = target or dossier.export / f"{name}.{form}"
    if not path.parent.is_dir():
        raise DossierError("Ce dossier n'existe pas", where=path.parent, remedy="Créez-le, ou donnez un autre -o.")
    memoire = memoire_of(dossier, deliverable=deliverable, chapter=chapter)
    content, pages = rendered(memoire, form, layout_of(dossier, settings))
    weights.write_whole(path, content)
    dossier.note("export", file=str(path), format=form, pages=pages, sha256=_sha256(memoire))
    whole = deliverable is None and chapter is None
    return Exported(path, pages, page_limit(read_consultation(dossier)) if whole else None)


def pages_of(dossier: Dossier, memoire: Memoire) -> int | None:
    """Pages of the document as it was last laid out; ``None`` where it never was, or has changed since."""
    digest = _sha256(memoire)
    kept = (line for line in reversed(dossier.journal()) if line["what"] == "export" and line.get("sha256") == digest)
    return next((line["pages"] for line in kept if line["pages"] is not None), None)


def _sha256(memoire: Memoire) -> str:
    return hashlib.sha256(memoire.model_dump_json().encode()).hexdigest()


def rendered(memoire: Memoire, form: Format, layout: Layout) -> tuple[bytes, int | None]:
    """The document as bytes, and its pages where LibreOffice laid it out."""
    if form == "md":
        return to_markdown(memoire).encode(), None
    if form == "html":
        return to_html(memoire).encode(), None
    if form == "docx" and not libreoffice():
        return to_docx(memoire, layout), None
    laid = lay_out(memoire, layout)
    return (laid.pdf if form == "pdf" else laid.word), laid.pages


def layout_of(dossier: Dossier, settings: Settings) -> Layout:
    """The firm's template, a path from the dossier's folder where it is not absolute; text as large as the buyer
    wants it."""
    template = Path(settings.export.template).expanduser() if settings.export.template else None
    return Layout(
        template and dossier.root / template,
        settings.export.citations,
        dt.date.today(),
        least_points(read_consultation(dossier)),
    )

"""The compliance matrix: every requirement, where it is answered and how far."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, page_dossier
from api.pages.reading import tender_of
from api.pages.rendering import render
from pipeline.coverage import compliance
from pipeline.export import CONFORMITY
from pipeline.french import fold
from pipeline.records import Compliance, Tender
from pipeline.workspace import Dossier, read_draft

router = APIRouter(include_in_schema=False)
HEADER = ("Exigence", "Énoncé", "Caractère", "Document", "Page", "Article", "Section", "Notre réponse", "Conformité")


@dataclass(frozen=True)
class Filter:
    """What is to be shown; empty fields hide nothing. The names are those of the form."""

    conformite: Literal["", "yes", "confirm", "open"] = ""
    section: Annotated[str, Query(max_length=60)] = ""
    """A section, or a chapter and all it holds; « - » for what the plan has no place for."""
    texte: Annotated[str, Query(max_length=200)] = ""
    """Words that must all be in the requirement, its document or its answer; accents do not count."""

    def keeps(self, row: Compliance) -> bool:
        if self.conformite and row.conformity != self.conformite:
            return False
        if self.section == "-" and row.section:
            return False
        if self.section and self.section != "-" and not f"{row.section}.".startswith(f"{self.section}."):
            return False
        if not self.texte.strip():
            return True
        item = row.requirement
        said = row.answer.text if row.answer else ""
        told = fold(" ".join((item.id, item.text, item.document, item.article or "", said)))
        return all(word in told for word in fold(self.texte).split())


def rows_of(dossier: Dossier, tender: Tender) -> tuple[Compliance, ...]:
    """Every requirement of the tender against the sections that are drafted."""
    drafts = (read_draft(dossier, node.name) for node in tender.plan)
    return compliance(tender, [section for section in drafts if section])


@router.get("/dossiers/{dossier}/conformite")
def matrix(
    request: Request, asked: Annotated[Asked, Depends(page_dossier("read"))], wanted: Annotated[Filter, Depends()]
) -> Response:
    """The matrix, or what a filter leaves of it."""
    tender = tender_of(asked.dossier) or Tender()
    rows = rows_of(asked.dossier, tender)
    kept = [row for row in rows if wanted.keeps(row)]
    return render(
        request,
        "compliance.html.jinja",
        asked=asked,
        tender=tender,
        rows=kept,
        total=len(rows),
        counts=Counter(row.conformity for row in rows),
        wanted=wanted,
        labels=CONFORMITY,
        query=request.url.query,
    )


@router.get("/dossiers/{dossier}/conformite.csv")
def exported(asked: Annotated[Asked, Depends(page_dossier("read"))], wanted: Annotated[Filter, Depends()]) -> Response:
    """The same rows for a spreadsheet."""
    rows = rows_of(asked.dossier, (tender_of(asked.dossier) or Tender()))
    name = f"conformite-{asked.dossier.root.name}.csv"
    return Response(
        as_csv([row for row in rows if wanted.keeps(row)]).encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


def as_csv(rows: Sequence[Compliance]) -> str:
    """Rows as French spreadsheets open them: semicolons, and CRLF (RFC 4180)."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        item = row.requirement
        writer.writerow(
            inert(cell)
            for cell in (
                item.id,
                item.text,
                "obligatoire" if item.mandatory else "souhaitée",
                item.document,
                "" if item.page is None else str(item.page),
                item.article or "",
                row.section,
                row.answer.text if row.answer else "",
                CONFORMITY[row.conformity],
            )
        )
    return stream.getvalue()


def inert(cell: str) -> str:
    """A cell no spreadsheet takes for a formula: an apostrophe goes before one (OWASP, CSV injection)."""
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@")) or cell.startswith(("\t", "\r")) else cell

"""Ruled tables of a PDF, by pdfplumber, on the pages where rules are drawn; and joining those a page break cut."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pdfplumber
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from pdfplumber.utils.exceptions import MalformedPDFException, PdfminerException

from pipeline.french import fold_spaces

RULE_THICKNESS = 3.0
"""Points: a path thinner than this is a rule."""
MAX_CROSSINGS = 12_000
"""Distinct vertical rules times horizontal ones past which a page is a drawing: finding cells takes minutes there
(200 x 200: 41 s), and the densest page of the real tenders tried has 2,100."""


@dataclass(frozen=True, slots=True)
class Table:
    page: int
    top: float
    bottom: float
    rows: tuple[tuple[str, ...], ...]
    spans: tuple[tuple[float, float], ...]
    """Abscissae of each column."""


def is_ruled(page: pdfium.PdfPage) -> bool:
    """At least two vertical and two horizontal rules, or two boxes: a table may be drawn here."""
    vertical = horizontal = 0
    for item in page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=3):
        x0, y0, x1, y1 = item.get_bounds()
        width, height = x1 - x0, y1 - y0
        if width <= RULE_THICKNESS and height > 8:
            vertical += 1
        elif height <= RULE_THICKNESS and width > 20:
            horizontal += 1
        elif width > 20 and height > 8:
            vertical += 1
            horizontal += 1
        if vertical >= 2 and horizontal >= 2:
            return True
    return False


def read_tables(data: bytes, ruled: Sequence[int]) -> list[Table]:
    found: list[Table] = []
    if not ruled:
        return found
    try:
        with pdfplumber.open(io.BytesIO(data), pages=[index + 1 for index in ruled]) as pdf:
            for page in pdf.pages:
                found += _page_tables(page)
                page.close()
    except (PdfminerException, MalformedPDFException):
        # pdfplumber is stricter than pdfium: the words of these tables are read all the same, as lines
        return found
    return found


def _page_tables(page: pdfplumber.page.Page) -> list[Table]:
    across = {round(edge["x0"]) for edge in page.edges if edge["orientation"] == "v"}
    down = {round(edge["top"]) for edge in page.edges if edge["orientation"] == "h"}
    if len(across) * len(down) > MAX_CROSSINGS:
        return []
    found = []
    for table in page.find_tables():
        rows = tuple(tuple(_paragraphs(_dehyphenate(cell or "")) for cell in row) for row in table.extract())
        rows = tuple(row for row in rows if any(row))
        columns = {i for row in rows for i, cell in enumerate(row) if cell}
        if len(rows) >= 2 and len(columns) >= 2:
            top, bottom = page.height - table.bbox[1], page.height - table.bbox[3]
            spans = _spans(table, sorted(columns))
            found.append(Table(page.page_number, top, bottom, _drop_empty_columns(rows, columns), spans))
    return found


def _spans(table: Any, columns: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Left and right of each column, from the cells that are not merged with a neighbour."""
    found = []
    for column in columns:
        boxes = [row.cells[column] for row in table.rows if column < len(row.cells) and row.cells[column]]
        found.append((max((box[0] for box in boxes), default=0.0), min((box[2] for box in boxes), default=0.0)))
    return tuple(found)


def _paragraphs(text: str) -> str:
    """The lines of a cell joined into its paragraphs, one a line: a line that left room for the next one's first word
    ended a paragraph, as does one before a bullet."""
    lines = [fold_spaces(line) for line in text.split("\n")]
    lines = [line for line in lines if line]
    width = max((len(line) for line in lines), default=0)
    joined = ""
    for number, line in enumerate(lines):
        if not number:
            joined = line
            continue
        before, word = lines[number - 1], line.split(" ")[0]
        roomy = len(before) + 1 + len(word) <= ROOM * width and (line[:1].isupper() or line[:1].isdigit())
        closed = before.endswith((";", ":")) and not line[:1].islower()
        joined += f"\n{line}" if _BULLETED.match(line) or roomy or closed else f" {line}"
    return joined


_BULLETED = re.compile(r"[•●▪■–—\-➢→*]\s|[a-z]\)\s")
ROOM = 0.85
"""Share of a cell's longest line: letters differ in width, so a line nearly as long as it may be full."""


def _dehyphenate(text: str) -> str:
    return re.sub(r"\u00ad\s*", "", text).replace("\ufffe", "-").replace("\u0002", "")


def _drop_empty_columns(rows: Sequence[tuple[str, ...]], columns: set[int]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row[i] for i in sorted(columns)) for row in rows)


def continues(rows: Sequence[tuple[str, ...]], more: Sequence[tuple[str, ...]]) -> bool:
    return len(rows[0]) == len(more[0])


def rows_to_append(rows: list[tuple[str, ...]], more: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows to append: the repeated header dropped, and a row cut by the page break put back together."""
    rest = list(more)
    if rest and rest[0] == rows[0]:
        rest.pop(0)
    if rest and len(rows) > 1 and not rest[0][0] and any(rest[0][1:]):
        rows[-1] = tuple(f"{a}\n{b}".strip() for a, b in zip(rows[-1], rest.pop(0), strict=True))
    return rest

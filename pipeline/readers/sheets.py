"""XLSX and ODS: a heading a sheet, then a table a region of rows; hidden sheets included.

A block's ``page`` is the number of its sheet, from 1, and ``pages`` how many sheets the workbook has. Values are
written as a French reader sees them: « 30% », « 12,5 », « oui », but dates in ISO 8601. A merged cell's value stands at
its top left. A formula gives the value it last had, an error such as #REF! nothing.

calamine gives the values but not how they are shown, and lays a sheet's whole bounding box out in memory. So the XML is
first scanned for that box, and for the cells whose number format is a percentage (a tenth of what openpyxl takes: 0.3 s
for 200,000 cells, and no file refused for a style that it finds invalid).
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import NamedTuple
from xml.parsers import expat

import python_calamine as calamine

from pipeline.errors import DocumentError
from pipeline.french import fold_spaces
from pipeline.readers.docx import UNREADABLE
from pipeline.readers.odt import check_opendocument, check_package
from pipeline.readers.text import table_block
from pipeline.records import Block

ODS_TYPES = (
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.spreadsheet-template",
)
MAX_CELLS = 5_000_000
"""Cells in a sheet's bounding box: a 5 kB file with one value in the last cell of the last row (17 billion cells) makes
calamine abort the process, and 20 million take it 8 s. The largest real price schedule seen has 600."""
DIGITS = 15
"""Significant digits a spreadsheet keeps; what comes after is the noise of binary fractions."""

_WHAT = "un classeur (.xlsx ou .ods)"
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_REFERENCE = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_PERCENT_FORMATS = ("9", "10")
"""Built-in number formats « 0% » and « 0.00% » (ECMA-376 part 1, §18.8.30)."""
_LITERAL = re.compile(r'"[^"]*"|[\\_*].|\[[^\]]*\]')
"""What a number format only prints: quoted or escaped text, padding, colours and conditions."""
_STYLE_LISTS = ("numFmts", "fonts", "fills", "borders", "cellStyleXfs", "cellXfs", "cellStyles", "dxfs")

_Value = int | float | str | time | date | timedelta


class _Span(NamedTuple):
    """A rectangle of cells, rows and columns from 0."""

    row: int
    column: int
    rows: int = 1
    columns: int = 1


class _Scan(NamedTuple):
    """What the XML of a workbook says beyond its values."""

    percents: dict[str, list[_Span]]
    """Cells shown as percentages, by sheet name."""
    largest: int
    """Cells in the largest sheet's box."""


class _Sheet:
    """The percentages and the box of one sheet."""

    def __init__(self) -> None:
        self.percents: list[_Span] = []
        """Cells shown as percentages."""
        self._top = self._left = 1 << 62
        self._bottom = self._right = -1

    def add(self, span: _Span, *, percent: bool) -> None:
        self._top, self._left = min(self._top, span.row), min(self._left, span.column)
        self._bottom = max(self._bottom, span.row + span.rows)
        self._right = max(self._right, span.column + span.columns)
        if percent:
            self.percents.append(span)

    @property
    def size(self) -> int:
        """Cells in the box that holds every value."""
        return max(self._bottom - self._top, 0) * max(self._right - self._left, 0)


def read_sheet(data: bytes, name: str) -> tuple[list[Block], int | None]:
    """``(blocks, number of sheets)``; a sheet without any value gives no block. Raises DocumentError."""
    names = check_package(data, name, _WHAT)
    if "xl/workbook.xml" not in names:
        check_opendocument(data, name, ODS_TYPES, _WHAT)
    blocks: list[Block] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            scan = _scan_xlsx(package) if "xl/workbook.xml" in names else _scan_ods(package.read("content.xml"))
        if scan.largest > MAX_CELLS:
            raise DocumentError(
                f"Une feuille de ce classeur s'étend sur plus de {MAX_CELLS // 1_000_000} millions de cellules",
                where=name,
                remedy="Supprimez les valeurs isolées loin du tableau, et enregistrez-le de nouveau.",
            )
        with calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as workbook:
            count = len(workbook.sheet_names)
            for page in range(1, count + 1):
                sheet = workbook.get_sheet_by_index(page - 1)
                regions = list(_regions(_rows(sheet, scan.percents.get(sheet.name, ()))))
                if regions:
                    blocks.append(Block(kind="heading", text=fold_spaces(sheet.name), page=page, level=1))
                blocks += [table_block(region, page=page) for region in regions]
    except (*UNREADABLE, calamine.CalamineError, expat.ExpatError, LookupError) as error:
        raise _damaged(name) from error
    return blocks, count


def _damaged(name: str) -> DocumentError:
    return DocumentError(
        "Le contenu de ce classeur est endommagé",
        where=name,
        remedy="Ouvrez-le dans un tableur et enregistrez-le de nouveau en XLSX ou en ODS.",
    )


# --- values ------------------------------------------------------------------------------------------------


def _rows(sheet: calamine.CalamineSheet, percents: Collection[_Span]) -> Iterator[tuple[str, ...]]:
    """The sheet's rows as text, from its first value on."""
    top, left = sheet.start or (0, 0)
    shown = {
        (row, column)
        for span in percents
        for row in range(span.row, span.row + span.rows)
        for column in range(span.column, span.column + span.columns)
    }
    for row, values in enumerate(sheet.to_python(skip_empty_area=True), start=top):
        yield tuple(_text(value, percent=(row, at) in shown) for at, value in enumerate(values, start=left))


def _regions(rows: Iterator[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """Runs of rows without a blank one between them, each as wide as its last column with a value."""
    region: list[tuple[str, ...]] = []
    for row in (*rows, ()):
        if any(row):
            region.append(row)
        elif region:
            width = 1 + max(at for line in region for at, cell in enumerate(line) if cell)
            yield [line[:width] for line in region]
            region = []


def _text(value: _Value, *, percent: bool) -> str:
    """A value as it reads: « oui », « 12,5 », « 30% », « 2026-03-02 », « 2026-03-02T12:00 », « 26:30 »."""
    if isinstance(value, str):
        return "\n".join(text for line in value.splitlines() if (text := fold_spaces(line)))
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, int | float):
        exact = Decimal(f"{value:.{DIGITS}g}")
        shown = f"{(exact * 100 if percent else exact).normalize():f}".replace(".", ",")
        return f"{shown}%" if percent else shown
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(abs(value.total_seconds())), 60)
        sign = "-" if value < timedelta() else ""
        return f"{sign}{minutes // 60}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    if isinstance(value, datetime | time):
        if isinstance(value, datetime) and value.time() == time():
            return value.date().isoformat()
        return value.isoformat(timespec="seconds" if value.second else "minutes")
    return value.isoformat()


# --- what calamine does not tell ---------------------------------------------------------------------------


def _parse(xml: bytes, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None) -> None:
    """Call ``start`` and ``end`` for each element; names come as « namespace name ». Raises ExpatError."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    if end is not None:
        parser.EndElementHandler = end
    parser.Parse(xml, True)


def _local(name: str) -> str:
    """The name alone: an XLSX file is in one of two namespaces, transitional or strict."""
    return name.rpartition(" ")[2]


def _integer(attributes: Mapping[str, str], name: str, default: int) -> int:
    """The attribute as a number, ``default`` where it is absent. Raises ValueError where it is senseless."""
    value = attributes.get(name, str(default))
    if not re.fullmatch("[0-9]{1,7}", value):
        raise ValueError(f"{name}: {value[:40]}")
    return int(value)


def _scan_xlsx(package: zipfile.ZipFile) -> _Scan:
    """Every part that holds cells is scanned, whether a sheet points to it or not."""
    names = package.namelist()
    styles = _percent_styles(package.read("xl/styles.xml")) if "xl/styles.xml" in names else frozenset()
    sheets: dict[str, _Sheet] = {}
    for name in names:
        xml = package.read(name)
        if b"sheetData" in xml:
            sheets[name] = _scan_sheet(xml, styles)
    targets: dict[str, str] = {}
    percents: dict[str, list[_Span]] = {}

    def relation(tag: str, attributes: dict[str, str]) -> None:
        if _local(tag) == "Relationship":
            path = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
            targets[attributes.get("Id", "")] = path.lstrip("/")

    def sheet(tag: str, attributes: dict[str, str]) -> None:
        if _local(tag) == "sheet":
            key = next((value for name, value in attributes.items() if name.endswith(" id")), "")
            if targets.get(key) in sheets:
                percents[attributes.get("name", "")] = sheets[targets[key]].percents

    _parse(package.read("xl/_rels/workbook.xml.rels"), relation)
    _parse(package.read("xl/workbook.xml"), sheet)
    return _Scan(percents, max((sheet.size for sheet in sheets.values()), default=0))


def _percent_styles(xml: bytes) -> frozenset[str]:
    """Indexes of the cell styles whose number format is a percentage."""
    formats = set(_PERCENT_FORMATS)
    styles: list[str] = []
    section = ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal section
        local = _local(tag)
        if local in _STYLE_LISTS:
            section = local
        elif local == "numFmt" and section == "numFmts" and "%" in _LITERAL.sub("", attributes.get("formatCode", "")):
            formats.add(attributes.get("numFmtId", ""))
        elif local == "xf" and section == "cellXfs":
            styles.append(attributes.get("numFmtId", "0"))

    _parse(xml, start)
    return frozenset(str(index) for index, number in enumerate(styles) if number in formats)


def _scan_sheet(xml: bytes, styles: Collection[str]) -> _Sheet:
    sheet = _Sheet()
    row = column = -1
    percent = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, percent
        local = _local(tag)
        if local == "row":
            row, column = _integer(attributes, "r", row + 2) - 1, -1
        elif local == "c":
            column += 1
            if "r" in attributes:
                row, column = _position(attributes["r"])
            percent = attributes.get("s", "0") in styles
        elif local in ("v", "is"):
            sheet.add(_Span(row, column), percent=percent)

    _parse(xml, start)
    return sheet


def _position(reference: str) -> tuple[int, int]:
    """« AB7 » -> (6, 27). Raises ValueError: calamine takes any reference, and lays out as many cells as it says."""
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise ValueError(f"r: {reference[:40]}")
    return int(found[2]) - 1, _column(found[1])


@cache
def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _scan_ods(xml: bytes) -> _Scan:
    sheets: dict[str, _Sheet] = {}
    sheet = _Sheet()
    row = rows = column = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal sheet, row, rows, column
        if tag == f"{_TABLE} table":
            sheet, row = sheets.setdefault(attributes.get(f"{_TABLE} name", ""), _Sheet()), 0
        elif tag == f"{_TABLE} table-row":
            rows, column = _integer(attributes, f"{_TABLE} number-rows-repeated", 1), 0
        elif tag in (f"{_TABLE} table-cell", f"{_TABLE} covered-table-cell"):
            columns = _integer(attributes, f"{_TABLE} number-columns-repeated", 1)
            kind = attributes.get(f"{_OFFICE} value-type")
            if kind:
                sheet.add(_Span(row, column, rows, columns), percent=kind == "percentage")
            column += columns

    def end(tag: str) -> None:
        nonlocal row
        if tag == f"{_TABLE} table-row":
            row += rows

    _parse(xml, start, end)
    percents = {name: sheet.percents for name, sheet in sheets.items()}
    return _Scan(percents, max((sheet.size for sheet in sheets.values()), default=0))

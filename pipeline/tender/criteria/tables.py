"""Criteria in a table: each column's role is told first (columns.py), then each row gives its entries.

Buyers' tables differ by what they put in a column (number, criterion, sub-criterion, weight, how it is appreciated, one
weight a lot), hardly by anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from pipeline.french import fold, fold_spaces
from pipeline.records import Block
from pipeline.tender.criteria.columns import HEADER_ROWS, NUMBERED, TOTAL, Columns, Weigher, read_columns
from pipeline.tender.criteria.entries import (
    CELL,
    MENTION,
    Entry,
    Unit,
    is_label,
    split_code,
    split_note,
    trim,
    value_of,
    weights_in,
)
from pipeline.tender.criteria.text import read_lines

_BULLET = re.compile(r"^\s*(?:[•●▪■➢→*]\s*|[–—\-]\s+)(?=\w)")
_DOTTED = re.compile(r"[A-Z]{0,2}\s?\d+(?:\.\d+)+")
UNWEIGHED = Weigher((), "", None)


class _Weight(NamedTuple):
    """What a cell weighs; ``value`` is ``None`` where it weighs nothing."""

    value: float | None = None
    unit: Unit | None = None
    of_which: bool = False


class _Row(NamedTuple):
    cells: Sequence[str]
    weight: _Weight
    page: int | None
    last: int | None
    """The page it ends on."""


def read_table(block: Block) -> list[Entry]:
    """The entries of a table, lot after lot; empty for a table of anything else."""
    rows = block.rows
    if len(rows) < 2 and not (rows and any(MENTION.search(cell) for cell in rows[0])):
        return []
    columns = read_columns(rows)
    if columns is None:
        return []
    found: list[Entry] = []
    for weigher in columns.weighers or [UNWEIGHED]:
        found += [replace(entry, lot=weigher.lot or entry.lot) for entry in _entries(block, columns, weigher)]
    return found


def is_award_table(block: Block) -> bool:
    """Whether a table's own header says that it lists criteria."""
    return any("critere" in fold(cell) for row in block.rows[:HEADER_ROWS] for cell in row)


def _entries(block: Block, columns: Columns, weigher: Weigher) -> Iterator[Entry]:
    for number in range(columns.body, len(block.rows)):
        cells = block.rows[number]
        if any(TOTAL.match(fold(cell)) for cell in cells[:3] if cell.strip()):
            continue
        weight = _weight(cells, weigher.columns, weigher.unit, bare=columns.named)
        if weight.value is None and columns.scale >= 0:
            weight = _weight(cells, (columns.scale,), None, bare=False)
        page = block.row_pages[number] if block.row_pages else block.page
        row = _Row(cells, weight, page, block.row_ends[number] if block.row_ends else page)
        if columns.label >= 0:
            yield from _criterion_and_part(row, columns)
        else:
            yield from _one_label(row, columns, block.rows[columns.body :])


def _criterion_and_part(row: _Row, columns: Columns) -> Iterator[Entry]:
    """A row with a column for the criterion, filled on its first row only, and one for its parts."""
    head, child = row.cells[columns.parent].strip(), row.cells[columns.label].strip(" –—-")
    if child and NUMBERED.match(head):  # the part's own letter
        head = ""
    if head:
        parent = _named(head, row)
        own = _weight(row.cells, (columns.parent_weight,), None, bare=True)
        own = own if own.value is not None or child else row.weight
        if parent.weight is None:
            parent.weight, parent.unit = own.value, own.unit
        parent.depth, parent.note = 0, parent.note or ("" if child else _note(row, columns))
        if is_label(parent.label) or parent.code:
            yield parent
    if not child:
        return
    listed = [entry for entry in read_lines(child, row.page) if entry.weight is not None]
    if row.weight.value is None and len(listed) > 1:
        yield from (replace(entry, depth=1) for entry in listed)
        return
    part = _named(child, row)
    if row.weight.value is not None:
        part.weight, part.unit = row.weight.value, row.weight.unit
    if is_label(part.label):
        part.depth, part.note = 1, part.note or _note(row, columns)
        yield part


def _one_label(row: _Row, columns: Columns, body: Sequence[Sequence[str]]) -> Iterator[Entry]:
    """A row with one label, then the parts that its cells list (« - Équipe (10 points) »)."""
    code = row.cells[columns.code].strip().rstrip(".)°") if columns.code >= 0 else ""
    if code and columns.code_is_parent:
        yield Entry(code, None, None, row.page, depth=0, code=code, last_page=row.last)
    head = row.cells[columns.parent].strip()
    if not head:
        return
    entry = _named(head, row)
    if columns.code_is_parent:
        entry.depth = 1
    elif code:
        entry.code = code
        entry.depth = 1 if _DOTTED.fullmatch(code) else entry.depth or 0
    if row.weight.value is not None:
        entry.weight, entry.unit = row.weight.value, row.weight.unit
        entry.of_which = row.weight.of_which or entry.of_which
    inside = _listed(head, row)[1:] if "\n" in head else []
    beside = [part for j, cell in enumerate(row.cells) if j != columns.parent for part in _listed(cell, row)]
    parts = inside or beside
    # in a table that weighs nothing, a numbered criterion is kept for the numbered parts under it
    heads_parts = (
        bool(entry.code) and not columns.weighers and any(_DOTTED.match(r[columns.parent].strip()) for r in body)
    )
    if not is_label(entry.label) or (entry.weight is None and not parts and not heads_parts):
        return
    if len(parts) > 1:
        entry.depth = 0
    yield entry
    yield from (replace(part, depth=1) for part in parts)


def _listed(cell: str, row: _Row) -> list[Entry]:
    """What a cell of words weighs; a cell that is a weight and nothing else lists nothing."""
    if not cell.strip() or CELL.match(fold_spaces(cell)):
        return []
    return [part for part in read_lines(cell, row.page) if part.weight is not None]


def _note(row: _Row, columns: Columns) -> str:
    return fold_spaces(" ".join(row.cells[j] for j in columns.notes))


def _weight(cells: Sequence[str], columns: Sequence[int], unit: Unit | None, *, bare: bool) -> _Weight:
    """The first weight in these columns; ``bare`` where a number without unit is one."""
    for j in columns:
        match = CELL.match(fold_spaces(cells[j])) if j >= 0 else None
        if match and (match["unit"] or bare or re.search(r"coef|pond|sur|/", cells[j], re.IGNORECASE)):
            said = (match["unit"] or "").lower()
            own: Unit | None = "%" if said == "%" else "points" if said else unit
            return _Weight(float(match["value"].replace(",", ".")), own, bool(match["of_which"]))
    return _Weight()


def _named(text: str, row: _Row) -> Entry:
    """An entry from a cell's words, with the weight they may end with."""
    head, note = split_note(_BULLET.sub("", text))
    code, head, depth = split_code(head)
    depth = 1 if depth is None and _BULLET.match(text) else depth
    opens = bool(re.search(r"\bdont\W*$", head))
    head = re.sub(r"[\s,(]*\bdont\W*$", "", head)
    weight, unit = None, None
    first = MENTION.match(note, 1 if note.startswith("(") else 0)
    if first and not MENTION.search(head) and not note[first.end() :].strip(" )."):
        (weight, unit), note = value_of(first), ""
    for match in reversed(weights_in(head)):
        tail = head[match.end() :].strip(" ).:;,")
        if match.start() >= 3 and (not tail or re.match(r"^(?:dont|d[ée]compos|maxi)", tail)):
            start = match.start("out") if match["out"] else match.start()
            weight, unit = value_of(match)
            head = trim(head[:start])
            break
    label = head.strip(" :–—-(.;,") if weight is None else head
    return Entry(label, weight, unit, row.page, note=note, depth=depth, code=code, of_which=opens, last_page=row.last)

"""Criteria in a table: each column's role told from its header and its cells, then one entry a row.

Buyers' tables differ by what they put in a column (number, criterion, sub-criterion, weight, how it is appreciated, one
weight a lot), hardly by anything else; so the columns are read first, and the rows follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.french import fold, fold_spaces
from pipeline.records import Block
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

_WEIGHT = re.compile(r"ponderation|coefficient|coeff?\b|points?\b|poids|bareme|notation|/ ?100|\bpts\b|%|valeur maxi")
_SCALE = re.compile(r"^note$|^notes? sur|^bareme de notation$")
_SUB = re.compile(r"sous[ -]?criteres?|decomposition|detail des criteres")
_CRITERION = re.compile(r"criteres?|intitule|libelle|designation")
_NOTE = re.compile(
    r"appreciation|modalites|description|justificati|commentaire|elements|observations|documents|contenu|methode"
)
_LOT = re.compile(r"\blots?\s*(?:n ?° ?)?(?P<lot>\d{1,2}(?:\s*(?:,|et|a|-)\s*\d{1,2})*|[a-z])\b")
_NUMBERED = re.compile(r"^(?:[A-Z]{0,2}\s?\d{1,2}(?:\.\d{1,2})*|[A-Z]|[IVX]{1,4}|[a-z])\s?[.)°]?$")
_TOTAL = re.compile(r"^(?:sous[ -]?)?(?:total|note (?:totale|globale|finale|maximale))\b")
_BULLET = re.compile(r"^\s*(?:[•●▪■➢→*]\s*|[–—\-]\s+)(?=\w)")
HEADER_ROWS = 2


@dataclass
class _Columns:
    """Positions of the columns by role; -1 where there is none."""

    code: int = -1
    code_is_parent: bool = False
    """Whether the codes are those of criteria given before, and the rows their parts."""
    parent: int = -1
    label: int = -1
    weights: list[tuple[int, str, Unit | None]] = field(default_factory=list)
    """(column, lot, unit its header gives)."""
    parent_weight: int = -1
    notes: list[int] = field(default_factory=list)
    """Columns that say how it is appreciated."""
    scale: int = -1
    """The column of marks (« /20 »), where some rows hold a weight with its unit instead."""
    body: int = 0
    """First row that is not a header."""
    named: bool = False
    """Whether a header says what weighs: bare numbers are then weights."""


def read_table(block: Block) -> list[Entry]:
    """The entries of a table, lot after lot; empty for a table of anything else."""
    rows = block.rows
    if len(rows) < 2 and not (rows and any(MENTION.search(cell) for cell in rows[0])):
        return []
    columns = _columns(rows)
    if columns is None:
        return []
    found: list[Entry] = []
    for position, lot, unit in columns.weights or [(-1, "", None)]:
        for entry in _rows(block, columns, position, unit):
            found.append(replace(entry, lot=lot or entry.lot))
    return found


def is_award_table(block: Block) -> bool:
    """Whether a table's own header says that it lists criteria."""
    return any("critere" in fold(cell) for row in block.rows[:HEADER_ROWS] for cell in row)


def _columns(rows: Sequence[Sequence[str]]) -> _Columns | None:
    width = len(rows[0])
    found = _Columns(body=_first_body_row(rows))
    header = [" ".join(fold_spaces(rows[i][j]) for i in range(found.body) if rows[i][j]).strip() for j in range(width)]
    for j in range(1, width):  # a header cell merged over several columns is given once, in the first
        if not header[j] and found.body == 1:
            weighs = _is_weight_column(rows[found.body :], j)
            header[j] = header[j - 1] if weighs == bool(_WEIGHT.search(fold(header[j - 1]))) else ""
    body = [row for row in rows[found.body :] if not any(_TOTAL.match(fold(cell)) for cell in row[:3])]
    labels: list[int] = []
    for j in range(width):
        name = fold(header[j])
        cells = [row[j] for row in body if row[j].strip()]
        lot = next((match["lot"].replace(" a ", " à ") for match in _LOT.finditer(name)), "")
        if not cells:
            continue
        if _SCALE.match(name):
            found.scale = j
        elif all(_NUMBERED.match(cell.strip()) for cell in cells) and not _is_weight_column(body, j, bare=True):
            if found.code < 0:
                found.code = j
        elif all(_NUMBERED.match(cell.strip()) for cell in cells) and j == 0 and not _WEIGHT.search(name):
            found.code = j
        elif _is_weight_column(body, j, bare=bool(_WEIGHT.search(name) or lot)):
            by_name = "points" if re.search(r"points?|/ ?100|\bpts\b|note", name) else None
            unit: Unit | None = "%" if "%" in name else by_name  # type: ignore[assignment]
            found.weights.append((j, lot, unit))
            found.named = found.named or bool(_WEIGHT.search(name) or lot)
        elif _SUB.search(name) and found.parent >= 0 and found.label < 0:
            found.label = j
        elif _CRITERION.search(name) and not (_NOTE.search(name) and labels):
            labels.append(j)
            if found.parent < 0:
                found.parent = j
        elif not _NOTE.search(name) or not labels:
            labels.append(j)
        else:
            found.notes.append(j)
    if found.parent < 0:
        found.parent = labels[0] if labels else -1
    if found.label < 0:  # a sub-criterion's column without a header that says so: the first column has merged cells
        others = [j for j in labels if j != found.parent and not _NOTE.search(fold(header[j]))]
        holes = sum(not row[found.parent].strip() for row in body) if found.parent >= 0 else 0
        if others and holes and found.parent < others[0]:
            found.label = others[0]
    if found.label < 0 and found.parent >= 0:  # how a criterion is appreciated, weighed row by row: its parts
        for j in found.notes:
            alone = [row for row in body if row[j].strip() and not row[found.parent].strip()]
            if alone and all(any(CELL.match(fold_spaces(row[w])) for w, _, _ in found.weights) for row in alone):
                found.label = j
                found.notes = [n for n in found.notes if n != j]
                break
    if found.parent < 0:
        return None
    dotted = any("." in row[found.code].strip(" .") for row in body) if found.code >= 0 else False
    found.code_is_parent = (
        found.code >= 0 and found.label < 0 and not dotted and bool(_SUB.search(fold(header[found.parent])))
    )
    if found.label >= 0 and len(found.weights) == 2 and not found.weights[0][1]:
        first, second = (position for position, _, _ in found.weights)
        heads = [row for row in body if row[found.parent].strip()]
        rest = [row for row in body if not row[found.parent].strip()]
        if found.parent < first < found.label:
            found.parent_weight = found.weights.pop(0)[0]
        elif all(row[second].strip() for row in heads) and not any(row[second].strip() for row in rest):
            found.parent_weight = found.weights.pop(1)[0]  # a total a criterion, at the end of the row
    if len(found.weights) > 1 and not all(lot for _, lot, _ in found.weights):
        found.weights = _weighing(found.weights, rows, found.body)
    return found


def _weighing(
    weights: Sequence[tuple[int, str, Unit | None]], rows: Sequence[Sequence[str]], body: int
) -> list[tuple[int, str, Unit | None]]:
    """Of several columns of figures, those that lie side by side with a hole where the other has a value: one list."""
    lots = [item for item in weights if item[1]]
    if lots:
        return lots
    first, *others = weights
    merged = [first]
    for other in others:
        both = sum(bool(row[first[0]].strip()) and bool(row[other[0]].strip()) for row in rows[body:])
        if both == 0:
            merged.append(other)
    return [(first[0], "", first[2])] if len(merged) == 1 else [(-2 - first[0], "", first[2])]


def _first_body_row(rows: Sequence[Sequence[str]]) -> int:
    """Header rows: those at the top without a weight that name columns."""
    for number, row in enumerate(rows[:HEADER_ROWS]):
        cells = [cell for cell in row if cell.strip()]
        heads = [fold(cell) for cell in cells]
        names = any(_WEIGHT.search(h) or _CRITERION.search(h) or _NOTE.search(h) or _LOT.search(h) for h in heads)
        weighs = any(CELL.match(cell.strip()) or re.search(r"\d\s*(?:%|points|pts)", cell) for cell in cells)
        if not names or weighs or any(len(cell) > 90 for cell in cells):
            return number
    return min(HEADER_ROWS, len(rows))


def _is_weight_column(body: Sequence[Sequence[str]], j: int, *, bare: bool = False) -> bool:
    cells = [fold_spaces(row[j]) for row in body if row[j].strip() and row[j].strip() not in ("-", "–", "—", "/")]
    if not cells:
        return False
    weights = [match for cell in cells if (match := CELL.match(cell))]
    with_unit = sum(
        bool(match["unit"]) or bool(re.search(r"coef|sur|/", cell)) for match, cell in zip(weights, cells, strict=False)
    )
    return len(weights) * 10 >= len(cells) * 7 and (bare or with_unit * 2 >= len(weights))


def _rows(block: Block, columns: _Columns, position: int, unit: Unit | None) -> Iterator[Entry]:
    parent: Entry | None = None
    for number in range(columns.body, len(block.rows)):
        row = block.rows[number]
        page = block.row_pages[number] if block.row_pages else block.page
        last = block.row_ends[number] if block.row_ends else page
        if any(_TOTAL.match(fold(cell)) for cell in row[:3] if cell.strip()):
            continue
        weight, own_unit, of_which = _weight(row, position, unit, named=columns.named)
        if weight is None and columns.scale >= 0:
            weight, own_unit, of_which = _weight(row, columns.scale, None, named=False)
        head = row[columns.parent].strip()
        if columns.label >= 0:
            child = row[columns.label].strip(" –—-")
            if child and _NUMBERED.match(head):  # the child's own letter
                head = ""
            if head:
                parent = _named(head, page, last)
                if columns.parent_weight >= 0 and parent.weight is None:
                    parent.weight, parent.unit, _ = _weight(row, columns.parent_weight, None, named=True)
                if not child and parent.weight is None:
                    parent.weight, parent.unit = weight, own_unit
                parent.depth, parent.note = 0, parent.note or ("" if child else _note(row, columns))
                if is_label(parent.label) or parent.code:
                    yield parent
            if not child:
                continue
            several = [entry for entry in read_lines(child, page) if entry.weight is not None]
            if weight is None and len(several) > 1:
                yield from (replace(entry, depth=1) for entry in several)
                continue
            entry = _named(child, page, last)
            if weight is not None:
                entry.weight, entry.unit = weight, own_unit
            if is_label(entry.label):
                entry.depth, entry.note = 1, entry.note or _note(row, columns)
                yield entry
            continue
        if columns.code >= 0 and columns.code_is_parent:
            code = row[columns.code].strip()
            if code:
                yield Entry(code, None, None, page, depth=0, code=code, last_page=last)
        yield from _row(row, block.rows[columns.body :], columns, (weight, own_unit, of_which), page, last)


def _row(
    row: Sequence[str],
    body: Sequence[Sequence[str]],
    columns: _Columns,
    weighed: tuple[float | None, Unit | None, bool],
    page: int | None,
    last: int | None,
) -> Iterator[Entry]:
    """The entry of a row with one label, then those that its other cells list."""
    weight, unit, of_which = weighed
    head = row[columns.parent].strip()
    if not head:
        return
    entry = _named(head, page, last)
    code = row[columns.code].strip().rstrip(".)°") if columns.code >= 0 else ""
    if columns.code_is_parent:
        entry.depth = 1
    elif code:
        entry.code = code
        entry.depth = (
            1 if re.fullmatch(r"[A-Z]{0,2}\s?\d+(?:\.\d+)+", code) else 0 if entry.depth is None else entry.depth
        )
    if weight is not None:
        entry.weight, entry.unit, entry.of_which = weight, unit, of_which or entry.of_which
    parts = [
        part
        for j, cell in enumerate(row)
        if j != columns.parent and (j, "", None) and cell.strip()
        for part in read_lines(cell, page)
        if part.weight is not None and not CELL.match(fold_spaces(cell))
    ]
    inside = [part for part in read_lines(head, page) if part.weight is not None][1:] if "\n" in head else []
    parts = inside or parts
    coded = not columns.weights and any(re.match(r"\d+\.\d", r[columns.parent].strip()) for r in body)
    if entry.weight is None and not parts and not (coded and entry.code):
        return
    if is_label(entry.label):
        if len(parts) > 1 or (parts and entry.depth == 0):
            entry.depth = 0
        yield entry
        yield from (replace(part, depth=1) for part in parts)


def _note(row: Sequence[str], columns: _Columns) -> str:
    return fold_spaces(" ".join(row[j] for j in columns.notes))


def _weight(
    row: Sequence[str], position: int, unit: Unit | None, *, named: bool
) -> tuple[float | None, Unit | None, bool]:
    if position <= -2:  # two columns of which each row fills one
        position = next((j for j in range(-2 - position, len(row)) if CELL.match(fold_spaces(row[j]))), -1)
    if position < 0:
        return None, None, False
    match = CELL.match(fold_spaces(row[position]))
    if not match or not (match["unit"] or named or re.search(r"coef|pond|sur|/", row[position], re.IGNORECASE)):
        return None, None, False
    said = (match["unit"] or "").lower()
    own: Unit | None = "%" if said == "%" else "points" if said else unit
    return float(match["value"].replace(",", ".")), own, bool(match["of_which"])


def _named(text: str, page: int | None, last: int | None) -> Entry:
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
    return Entry(label, weight, unit, page, note=note, depth=depth, code=code, of_which=opens, last_page=last)

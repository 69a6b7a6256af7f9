"""What each column of a table of criteria holds, told from its header and its cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.french import fold, fold_spaces
from pipeline.tender.criteria.entries import CELL, Unit

Rows = Sequence[Sequence[str]]

WEIGHT = re.compile(r"ponderation|coefficient|coeff?\b|points?\b|poids|bareme|notation|/ ?100|\bpts\b|%|valeur maxi")
_SCALE = re.compile(r"^note$|^notes? sur|^bareme de notation$")
_SUB = re.compile(r"sous[ -]?criteres?|decomposition|detail des criteres")
_CRITERION = re.compile(r"criteres?|intitule|libelle|designation")
_NOTE = re.compile(
    r"appreciation|modalites|description|justificati|commentaire|elements|observations|documents|contenu|methode"
)
_LOT = re.compile(r"\blots?\s*(?:n ?° ?)?(?P<lot>\d{1,2}(?:\s*(?:,|et|a|-)\s*\d{1,2})*|[a-z])\b")
NUMBERED = re.compile(r"^(?:[A-Z]{0,2}\s?\d{1,2}(?:\.\d{1,2})*|[A-Z]|[IVX]{1,4}|[a-z])\s?[.)°]?$")
TOTAL = re.compile(r"^(?:sous[ -]?)?(?:total|note (?:totale|globale|finale|maximale))\b")
HEADER_ROWS = 2
LONGEST_HEADER = 90
"""Characters of a header cell; a longer one is a label already."""
MOSTLY = 0.7
"""Share of a column's cells that must be weights for it to be one of weights."""


class Weigher(NamedTuple):
    """Columns that weigh one list of criteria: where there are several, each row fills one of them."""

    columns: tuple[int, ...]
    lot: str
    unit: Unit | None
    """What their header says; ``None`` where it says nothing."""


@dataclass
class Columns:
    """Positions of the columns by role; -1 where there is none."""

    code: int = -1
    code_is_parent: bool = False
    """Whether the codes are those of criteria given before, and the rows their parts."""
    parent: int = -1
    label: int = -1
    """Sub-criteria, where they have a column of their own."""
    weighers: list[Weigher] = field(default_factory=list)
    """One a lot, or one."""
    parent_weight: int = -1
    notes: list[int] = field(default_factory=list)
    """How each is appreciated."""
    scale: int = -1
    """Marks (« /20 »), where some rows hold a weight with its unit instead."""
    body: int = 0
    """First row that is not a header."""
    named: bool = False
    """Whether a header says what weighs: bare numbers are then weights."""


def read_columns(rows: Rows) -> Columns | None:
    """The roles of a table's columns; ``None`` where none can hold labels."""
    found = Columns(body=_first_body_row(rows))
    header = _header(rows, found.body)
    body = [row for row in rows[found.body :] if not any(TOTAL.match(fold(cell)) for cell in row[:3])]
    labels = [j for j in range(len(rows[0])) if _place(found, j, fold(header[j]), body)]
    if found.parent < 0:
        found.parent = labels[0] if labels else -1
    if found.parent < 0:
        return None
    if found.label < 0:
        found.label = _parts_column(found, labels, header, body)
        found.notes = [j for j in found.notes if j != found.label]
    dotted = found.code >= 0 and any("." in row[found.code].strip(" .") for row in body)
    coded = found.code >= 0 and found.label < 0 and not dotted
    found.code_is_parent = coded and bool(_SUB.search(fold(header[found.parent])))
    _settle_weights(found, body)
    return found


def _header(rows: Rows, body: int) -> list[str]:
    """One name a column: a header cell merged over several is given once, in the first of them."""
    width = len(rows[0])
    header = [" ".join(fold_spaces(rows[i][j]) for i in range(body) if rows[i][j]).strip() for j in range(width)]
    for j in range(1, width):
        if not header[j] and body == 1 and _weighs(rows[body:], j) == bool(WEIGHT.search(fold(header[j - 1]))):
            header[j] = header[j - 1]
    return header


def _first_body_row(rows: Rows) -> int:
    """Header rows are those at the top that name columns and weigh nothing."""
    for number, row in enumerate(rows[:HEADER_ROWS]):
        cells = [cell for cell in row if cell.strip()]
        heads = [fold(cell) for cell in cells]
        names = any(WEIGHT.search(h) or _CRITERION.search(h) or _NOTE.search(h) or _LOT.search(h) for h in heads)
        weighs = any(CELL.match(cell.strip()) or re.search(r"\d\s*(?:%|points|pts)", cell) for cell in cells)
        if not names or weighs or any(len(cell) > LONGEST_HEADER for cell in cells):
            return number
    return min(HEADER_ROWS, len(rows))


def _place(found: Columns, j: int, name: str, body: Rows) -> bool:
    """Give column ``j`` its role; whether it may hold labels, which only the whole table can settle."""
    cells = [row[j].strip() for row in body if row[j].strip()]
    lot = next((match["lot"].replace(" a ", " à ") for match in _LOT.finditer(name)), "")
    says_weight = bool(WEIGHT.search(name) or lot)
    codes = bool(cells) and all(NUMBERED.match(cell) for cell in cells)
    if not cells:
        return False
    if _SCALE.match(name):
        found.scale = j
    elif codes and (not _weighs(body, j, bare=True) or (j == 0 and not says_weight)):
        found.code = j if found.code < 0 else found.code
    elif _weighs(body, j, bare=says_weight):
        points: Unit | None = "points" if re.search(r"points?|/ ?100|\bpts\b|note", name) else None
        found.weighers.append(Weigher((j,), lot, "%" if "%" in name else points))
        found.named = found.named or says_weight
    elif _SUB.search(name) and found.parent >= 0 and found.label < 0:
        found.label = j
    elif _CRITERION.search(name) and not (_NOTE.search(name) and found.parent >= 0):
        found.parent = j if found.parent < 0 else found.parent
        return True
    elif not _NOTE.search(name) or found.parent < 0:
        return True
    else:
        found.notes.append(j)
    return False


def _parts_column(found: Columns, labels: Sequence[int], header: Sequence[str], body: Rows) -> int:
    """The column of sub-criteria that no header names: beside merged cells, or weighed row by row; -1 for none."""
    holes = any(not row[found.parent].strip() for row in body)
    others = [j for j in labels if j > found.parent and not _NOTE.search(fold(header[j]))]
    if others and holes:
        return others[0]
    weighing = [j for weigher in found.weighers for j in weigher.columns]
    for j in found.notes:
        alone = [row for row in body if row[j].strip() and not row[found.parent].strip()]
        if alone and all(any(CELL.match(fold_spaces(row[w])) for w in weighing) for row in alone):
            return j
    return -1


def _settle_weights(found: Columns, body: Rows) -> None:
    """Several columns of figures: one a lot, or the criterion's beside its parts', or one list in two columns."""
    lots = [weigher for weigher in found.weighers if weigher.lot]
    if len(found.weighers) < 2 or lots:
        found.weighers = lots or found.weighers
        return
    first, second = found.weighers[0].columns[0], found.weighers[1].columns[0]
    if found.label >= 0 and len(found.weighers) == 2:
        heads = [row for row in body if row[found.parent].strip()]
        rest = [row for row in body if not row[found.parent].strip()]
        if found.parent < first < found.label:
            found.parent_weight = first
        elif all(row[second].strip() for row in heads) and not any(row[second].strip() for row in rest):
            found.parent_weight = second  # a total a criterion, at the end of the row
        if found.parent_weight >= 0:
            found.weighers = [w for w in found.weighers if w.columns[0] != found.parent_weight]
            return
    apart = [
        w.columns[0]
        for w in found.weighers[1:]
        if not any(row[first].strip() and row[w.columns[0]].strip() for row in body)
    ]
    found.weighers = [Weigher((first, *apart), "", found.weighers[0].unit)]


def _weighs(body: Rows, j: int, *, bare: bool = False) -> bool:
    """Whether a column holds weights; ``bare`` where numbers without unit will do."""
    cells = [fold_spaces(row[j]) for row in body if row[j].strip() and row[j].strip() not in ("-", "–", "—", "/")]
    weights = [(cell, match) for cell in cells if (match := CELL.match(cell))]
    said = sum(bool(match["unit"] or re.search(r"coef|sur|/", cell)) for cell, match in weights)
    return bool(cells) and len(weights) >= MOSTLY * len(cells) and (bare or 2 * said >= len(weights))

"""Entries -> criteria: parts under their criterion, one list a lot.

What the buyer says decides (« dont », « sous-critère », « 1.1 », a column for them); else the sums do: parts add up to
their criterion's weight or to 100.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pipeline.french import fold, sentences
from pipeline.records import Criterion
from pipeline.tender.criteria.entries import Entry


def build(entries: Sequence[Entry]) -> tuple[Criterion, ...]:
    """The criteria in the buyer's order; those of each lot one list after the other."""
    lots = list(dict.fromkeys(lot for entry in entries for lot in lots_of(entry.lot)))
    if not lots:
        return tuple(_nest(entries))
    return tuple(
        criterion.model_copy(update={"lot": lot})
        for lot in lots
        for criterion in _nest([e for e in entries if lot in lots_of(e.lot) or not e.lot])
    )


def lots_of(text: str) -> list[str]:
    """« 1, 2 et 4 » -> 1, 2, 4; « 1 à 3 » -> 1, 2, 3."""
    found: list[str] = []
    for part in re.split(r"\s*(?:,|\bet\b|&)\s*", text):
        span = re.fullmatch(r"0?(\d{1,2})\s*(?:à|-|au)\s*0?(\d{1,2})", part.strip())
        if span and int(span[1]) < int(span[2]):
            found += [str(n) for n in range(int(span[1]), int(span[2]) + 1)]
        elif part.strip():
            found.append(part.strip().lstrip("0") or "0")
    return found


def _nest(entries: Sequence[Entry]) -> list[Criterion]:
    said = any(entry.depth == 1 or entry.of_which for entry in entries)
    if not said and _lists(entries):
        return [_criterion(entry) for entry in entries]
    return _as_said(entries) if said else _by_sums(entries)


def _as_said(entries: Sequence[Entry]) -> list[Criterion]:
    found: list[tuple[Entry, list[Entry]]] = []
    for entry in entries:
        named = [item for item in found if entry.under and item[0].label == entry.under]
        parent, children = named[-1] if named else found[-1] if found else (None, [])
        if parent is None or (entry.depth == 0 and not (parent.of_which and parent.depth is None)):
            found.append((entry, []))
        elif entry.depth == 1 or (parent.of_which and not entry.of_which and _fits(parent, [*children, entry])):
            children.append(entry)
        else:
            found.append((entry, []))
    return [_criterion(entry, _told_apart(_kept(entry, children))) for entry, children in found]


def _kept(parent: Entry, children: Sequence[Entry]) -> list[Entry]:
    """The parts, without the weights that sentences mention for something else: kept where they make a whole."""
    whole = (100.0, parent.weight or 0.0)
    lines = [child for child in children if not child.in_sentence]
    if len(lines) == len(children) or any(abs(_total(children) - value) < 0.01 for value in whole):
        return list(children)
    return lines


def _fits(parent: Entry, children: Sequence[Entry]) -> bool:
    """Parts in another unit are « notés sur 100 » each list, and brought back to the criterion's weight."""
    room = 100.0 if children[0].unit != parent.unit else parent.weight or 0
    return _total(children) <= room + 0.01


def _by_sums(entries: Sequence[Entry]) -> list[Criterion]:
    total = _total(entries)
    tree: list[Criterion] = []
    index = 0
    while index < len(entries):
        entry = entries[index]
        index += 1
        end = _parts_end(entries, index, entry.weight or 0) if total > 105 else index
        tree.append(_criterion(entry, _told_apart(entries[index:end])))
        index = end
    return tree


def _parts_end(entries: Sequence[Entry], start: int, weight: float) -> int:
    """Where the entries that add up to ``weight`` or to 100 end; ``start`` where none do."""
    total, parent = 0.0, entries[start - 1]
    for index in range(start, len(entries)):
        entry = entries[index]
        if entry.depth == 0 or (parent.code.isdigit() and entry.code.isdigit()) or entry.unit != entries[start].unit:
            break
        total += entry.weight or 0
        if index > start and (total == weight or (total == 100.0 and entry.unit != parent.unit)):
            return index + 1
        if total > max(weight, 100.0):
            break
    return start


def _lists(entries: Sequence[Entry]) -> bool:
    """Whether the entries are several whole lists of criteria, each of 100 (one a lot)."""
    total, lists = 0.0, 0
    for entry in entries:
        total += entry.weight or 0
        if abs(total - 100) < 0.01:
            total, lists = 0.0, lists + 1
        elif total > 100:
            return False
    return lists > 1 and total == 0


def _told_apart(children: Sequence[Entry]) -> list[Entry]:
    """Parts that begin with the same words (« Définition : … ») are named by what follows."""
    same = len(children) > 1 and len({fold(child.label) for child in children}) == 1 and all(c.note for c in children)
    return (
        [replace(c, label=sentences(c.note)[-1], note=c.label, page=c.last_page or c.page) for c in children]
        if same
        else list(children)
    )


def _total(entries: Sequence[Entry]) -> float:
    return sum(entry.weight or 0 for entry in entries)


def _criterion(entry: Entry, children: Sequence[Entry] = ()) -> Criterion:
    return Criterion(
        label=entry.label,
        weight=entry.weight,
        unit=entry.unit,
        page=entry.page,
        note=entry.note,
        number=entry.code,
        subcriteria=tuple(_criterion(child) for child in children),
    )

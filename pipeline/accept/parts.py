"""A person's document -> the paragraphs under each heading of the plan, what the tool prints by itself left out.

Titles of points, captions, tables made from data, references to other sections and the list of sources are printed
again by every export (pipeline/export); a person's paragraph is whatever is none of these. A section is found by its
heading; where a heading is not found, its section is left alone, and so is the one whose text may have swallowed it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from pipeline.export import (
    GLOSSARY,
    MATRIX,
    SOURCES,
    own_lines,
    own_tables,
    point_title,
    section_of,
    unnumbered,
)
from pipeline.french import fold, fold_spaces
from pipeline.records import Block, Memoire, PlanNode
from pipeline.review import MARKS, TITLE, named

_ENTRY = re.compile(r"^\[(\d+)\]\s*(.+)$")
"""« [3] pf.docx, « 3.1 Support », p. 5 », as the list of sources prints it."""
_BULLET = re.compile(r"^\W?$|^o$")
OWN_SHARE = 0.5
"""Share of its cells that a table must have in common with one of ours to be that one, changed."""


@dataclass(frozen=True)
class Told:
    """A paragraph a person handed in, or a table of theirs."""

    text: str
    """White space folded, citations and all; empty for a table."""
    point: int | None
    """The point whose title it stands under; ``None`` before the first."""
    item: bool = False
    rows: tuple[tuple[str, ...], ...] = ()
    same: str = ""
    """The paragraph of the draft that it is for certain, untouched; empty where that is to be found out."""


@dataclass
class Parts:
    """The document by heading."""

    told: dict[str, list[Told]] = field(default_factory=dict)
    """By name of the heading; headings that the document does not have are absent."""
    listed: dict[int, str] = field(default_factory=dict)
    """Its list of sources: place by number; empty where it has none."""
    strange: dict[str, list[str]] = field(default_factory=dict)
    """Headings that are not the plan's, by the heading they stand under."""
    remarks: list[str] = field(default_factory=list)
    """What was not taken back, in French."""


def split(memoire: Memoire, blocks: Sequence[Block]) -> Parts:
    """Tell a person's paragraphs from everything else in the document."""
    parts = Parts()
    tables = [(title, [_cells(row) for row in rows]) for title, rows in own_tables(memoire)]
    ends = {fold(title) for title in (MATRIX, GLOSSARY, SOURCES)}
    left = list(memoire.plan)
    current: _Reader | None = None
    behind = False
    for block in blocks:
        node = named(block.text, left) if block.kind == "heading" else None
        if node is not None:
            left.remove(node)
            behind, current = False, _Reader(memoire, node, parts)
        elif current and not behind and block.kind != "table" and fold(block.text) in ends:
            behind = True
        elif block.kind == "table":
            _table(block, tables, current, behind, parts)
        elif behind:
            _entry(block, parts)
        elif current:
            current.read(block)
    return parts


class _Reader:
    """The text under one heading, point after point."""

    def __init__(self, memoire: Memoire, node: PlanNode, parts: Parts) -> None:
        section = section_of(memoire, node)
        self._node, self._parts = node, parts
        self._points = [fold_spaces(point_title(point)) for point in section.brief.points] if section else []
        self._own = {fold(MARKS.sub("", line)): line for line in own_lines(memoire, node)}
        self._point: int | None = None
        parts.told[node.name] = []

    def read(self, block: Block) -> None:
        """Take a paragraph, or see that it is none of the person's."""
        text = fold_spaces(block.text)
        if not text:
            return
        if text in self._points:
            places = [n for n, title in enumerate(self._points) if title == text]
            self._point = next((n for n in places if n > (-1 if self._point is None else self._point)), places[0])
            return
        said = fold(unnumbered(MARKS.sub("", text)))
        if said in self._own:
            return
        titles = {fold(title): title for title in self._points}
        near = max((*self._own, *titles), key=lambda line: fuzz.ratio(said, line), default="")
        if near and fuzz.ratio(said, near) >= 100 * TITLE:
            kept = titles.get(near) or self._own[near]
            self._parts.remarks.append(
                f"{self._node.name} : « {kept} » est écrit par memoire ; « {text} » n'est pas repris."
            )
            self._point = self._points.index(kept) if near in titles else self._point
            return
        if block.kind == "heading":
            self._parts.strange.setdefault(self._node.name, []).append(text)
        bullet = block.kind == "item" and bool(_BULLET.match(block.marker))
        typed = f"{block.marker} {text}" if block.kind == "item" and not bullet else text
        self.add(Told(typed, self._point, bullet))

    def add(self, told: Told) -> None:
        self._parts.told[self._node.name].append(told)

    def add_table(self, rows: tuple[tuple[str, ...], ...]) -> None:
        self.add(Told("", self._point, rows=rows))


def _table(
    block: Block,
    ours: Sequence[tuple[str, list[tuple[str, ...]]]],
    current: _Reader | None,
    behind: bool,
    parts: Parts,
) -> None:
    """One of ours, as it was or changed; or a person's."""
    rows = [_cells(row) for row in block.rows]
    if any(rows == own for _, own in ours):
        return
    alike, title = max((_common(rows, own), title) for title, own in ours)
    if alike >= OWN_SHARE:
        parts.remarks.append(
            f"Le tableau « {title} » vient des fiches : ses changements ne sont pas repris, faites-les dans la fiche."
        )
    elif current and not behind:
        current.add_table(block.rows)
    else:
        place = "après la fin du plan" if behind else "avant le plan"
        parts.remarks.append(f"Le tableau « {block.text[:60]} » est {place} : il n'est pas repris.")


def _common(left: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """Share of the cells of the smaller table that the other has too."""
    one, other = ({cell for row in rows for cell in row if cell} for rows in (left, right))
    return len(one & other) / max(1, min(len(one), len(other)))


def _cells(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(fold_spaces(cell) for cell in row)


def _entry(block: Block, parts: Parts) -> None:
    """A line behind the plan: of the list of sources, or out of place."""
    text = fold_spaces(block.text)
    entry = _ENTRY.match(text)
    if entry:
        parts.listed[int(entry[1])] = entry[2]
    elif fold(text) not in {fold(title) for title in (MATRIX, GLOSSARY, SOURCES)}:
        parts.remarks.append(f"« {text[:80]} » est après la fin du plan : ce texte n'est pas repris.")

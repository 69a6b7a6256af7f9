"""Pages set in two columns: where the white band between them is, and the order in which their lines are read."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple, TypeVar


class Box(NamedTuple):
    """Where a run of text stands on its page, in points."""

    x0: float
    x1: float
    y: float
    """Ordinate of its middle, from the bottom."""


T = TypeVar("T")
LEAST_LINES = 8
"""Lines a side under which what looks like columns is a table without rules, or an address beside a logo."""
LEAST_GUTTER = 8.0
"""Points of white between columns; spaces within a justified line stay under it."""
PROSE = 0.6
"""Share of its column that the median line fills on both sides: cells of a table without rules are shorter."""
WIDE = 0.6
"""Share of the text's width past which a run spans both columns: a title, or a page set in one."""


def gutter(boxes: Sequence[Box]) -> float | None:
    """The abscissa of the white band between two columns of prose; ``None`` for a page in one column."""
    if len(boxes) < 2 * LEAST_LINES:
        return None
    left, right = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    width = right - left
    narrow = [box for box in boxes if box.x1 - box.x0 < WIDE * width]
    if len(narrow) < 2 * LEAST_LINES or len(narrow) < len(boxes) / 2:
        return None
    band = _band(narrow, left + 0.3 * width, left + 0.7 * width)
    if band is None:
        return None
    middle = (band[0] + band[1]) / 2
    for side in ([b for b in narrow if b.x1 <= middle], [b for b in narrow if b.x0 >= middle]):
        rows = {round(box.y / 4) for box in side}
        if len(rows) < LEAST_LINES:
            return None
        room = max(box.x1 for box in side) - min(box.x0 for box in side)
        if statistics.median(box.x1 - box.x0 for box in side) < PROSE * room or room < 0.25 * width:
            return None
    return middle


def _band(boxes: Sequence[Box], low: float, high: float) -> tuple[float, float] | None:
    """The widest interval within ``[low, high]`` that no box enters."""
    edge, best = low, (low, low)
    for box in sorted(boxes):
        if box.x1 <= edge or box.x0 >= high:
            continue
        if box.x0 - edge > best[1] - best[0]:
            best = (edge, box.x0)
        edge = max(edge, box.x1)
    if high - edge > best[1] - best[0]:
        best = (edge, high)
    return best if best[1] - best[0] >= LEAST_GUTTER else None


def in_reading_order(items: Sequence[tuple[Box, T]], middle: float) -> list[T]:
    """Left column then right column, within each stretch that no line across both interrupts."""
    ordered: list[T] = []
    left: list[tuple[Box, T]] = []
    right: list[tuple[Box, T]] = []

    def flush() -> None:
        ordered.extend(item for _, item in (*left, *right))
        left.clear()
        right.clear()

    for box, item in sorted(items, key=lambda pair: -pair[0].y):
        if box.x0 < middle < box.x1:
            flush()
            ordered.append(item)
        else:
            (left if box.x1 <= middle else right).append((box, item))
    flush()
    return ordered

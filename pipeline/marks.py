"""CoverageReport, Tender -> a simulated mark on the buyer's scale, and what would gain most.

A point weighs the share of its criterion that its chapter gives it: the criterion's weight over the chapter's points.
This measures coverage: a jury also judges what is said.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from pipeline.coverage import worth
from pipeline.records import CoverageReport, Criterion, Gain, Mark, PointCoverage, SectionCoverage, Tender
from pipeline.tender.links import chapter_for

MOST = 10
"""Gains told: what a team can still mend in a week."""
NORMAL = 1.959964


def with_mark(report: CoverageReport, tender: Tender) -> CoverageReport:
    """The report with its mark and its gains."""
    return report.model_copy(update={"mark": mark(report, tender), "gains": gains(report, tender)})


def mark(report: CoverageReport, tender: Tender) -> Mark | None:
    """The simulated mark over the criteria that the plan answers; points that are not scored are left out."""
    value = out_of = variance = 0.0
    for criterion in tender.criteria:
        values = [
            v for _, point in _points(criterion, report.sections, tender) if (v := worth(point.verdict)) is not None
        ]
        if not criterion.weight or not values:
            continue
        mean = sum(values) / len(values)
        # half a point of each sort is added, so that ten points all covered are not certainty (Agresti and Coull 1998)
        smooth = (sum(values) + NORMAL**2 / 2) / (len(values) + NORMAL**2)
        value += criterion.weight * mean
        out_of += criterion.weight
        variance += criterion.weight**2 * smooth * (1 - smooth) / (len(values) + NORMAL**2)
    if not out_of:
        return None
    half = NORMAL * math.sqrt(variance)
    units = {criterion.unit for criterion in tender.criteria if criterion.weight}
    unit = next(iter(units)) if len(units) == 1 else None
    return Mark(value=value, out_of=out_of, unit=unit, interval=(max(0.0, value - half), min(out_of, value + half)))


def gains(report: CoverageReport, tender: Tender) -> tuple[Gain, ...]:
    """The missing and partial points that weigh most, in the order of the plan where they weigh the same."""
    found: dict[tuple[str, int], list[tuple[float, str, PointCoverage]]] = defaultdict(list)
    for criterion in tender.criteria:
        points = _points(criterion, report.sections, tender)
        for (section, number), point in points:
            lost = 1 - (1.0 if (value := worth(point.verdict)) is None else value)
            if criterion.weight and lost:
                found[section, number].append((criterion.weight * lost / len(points), criterion.label, point))
    told = []
    for (section, _), rows in found.items():
        _, label, point = max(rows, key=lambda row: row[0])
        total = sum(gain for gain, _, _ in rows)
        told.append(Gain(section=section, point=point.text, verdict=point.verdict, criterion=label, gain=total))
    return tuple(sorted(told, key=lambda gain: -gain.gain)[:MOST])


def _points(
    criterion: Criterion, sections: Sequence[SectionCoverage], tender: Tender
) -> list[tuple[tuple[str, int], PointCoverage]]:
    """The points of the chapter a criterion pays, each with its section and rank."""
    chapter = chapter_for(criterion, tender)
    if chapter is None:
        return []
    return [
        ((section.number, number), point)
        for section in sections
        if section.number == chapter.name or section.number.startswith(f"{chapter.name}.")
        for number, point in enumerate(section.points)
    ]

"""Tender, Memoire -> CoverageReport: what the document answers, against plan and criteria.

Deterministic. A point is covered when its paragraph has a sentence that rests on the firm's library and every such
sentence passes the checks again; partial when one does not; missing when the paragraph is a gap or the section is not
drafted; unscored when a person answers it on their own word, citing nothing. Intervals are Wilson's 95 % score
intervals (JASA 22, 1927). The other metrics are in pipeline/scorers.py. What cannot be scored has n = 0, no value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from pipeline import verify
from pipeline.case import Case, Item, remarks, unsourced
from pipeline.french import typeset
from pipeline.outline import outline
from pipeline.records import (
    Check,
    Compliance,
    Conformity,
    CoverageReport,
    Criterion,
    CriterionCoverage,
    DocumentForm,
    Memoire,
    Metric,
    Paragraph,
    PointCoverage,
    Requirement,
    Section,
    SectionBrief,
    SectionCoverage,
    Sentence,
    Tender,
    Verdict,
)
from pipeline.scorers import SCORERS
from pipeline.tender.links import chapter_for

METRICS = (
    "plan_conformity",
    "point_coverage",
    "weighted_coverage",
    "citation_precision",
    "citation_recall",
    "figure_support",
    "requirement_trace",
    "evidence_present",
    "distinction_labels",
    "french",
    "redundancy",
    "commitments_founded",
    "client_names",
    "page_budget",
    "exhibits_present",
    "table_support",
    "requirements_listed",
    "readability",
    "format_rules",
)


def cover(
    tender: Tender,
    memoire: Memoire,
    headings: Sequence[str],
    manifest: dict[str, str],
    secrets: Collection[str] = (),
    form: DocumentForm | None = None,
) -> CoverageReport:
    """Score a mémoire. ``headings`` and ``form``: those of the exported document, read back; ``secrets``: spellings of
    clients who may not be named."""
    sections = _sections(memoire)
    criteria = tuple(criterion_coverage(criterion, tender, sections) for criterion in tender.criteria)
    counted = items(tender, memoire, headings, secrets, form)
    weighed = [c for c in criteria if c.coverage is not None and c.weight]
    metrics = {name: share([item.value for item in counted[name]]) for name in counted}
    metrics["weighted_coverage"] = Metric(
        value=sum((c.coverage or 0) * (c.weight or 0) for c in weighed) / sum(c.weight or 0 for c in weighed)
        if weighed
        else None,
        n=len(weighed),
        unscored=len(criteria) - len(weighed),
    )
    return CoverageReport(
        metrics={name: metrics[name] for name in METRICS},
        criteria=criteria,
        sections=tuple(sections),
        manifest=manifest,
        checks=tuple(
            Check(metric=name, section=item.section, paragraph=item.paragraph, message=typeset(item.fault))
            for name in METRICS
            for item in counted.get(name, ())
            if item.fault
        ),
    )


def items(
    tender: Tender,
    memoire: Memoire,
    headings: Sequence[str],
    secrets: Collection[str] = (),
    form: DocumentForm | None = None,
) -> dict[str, list[Item]]:
    """What each metric that is a share counts, in the order of the document."""
    case = Case(tender, memoire, tuple(headings), tuple(secrets), form)
    counted = {name: list(scorer(case)) for name, scorer in SCORERS.items()}
    wrong = [one.paragraph.id for one in case.said if one.remarks and not unsourced(one.sentence)]
    counted["point_coverage"] = [_point(s, n, wrong) for s in _sections(memoire) for n in range(len(s.points))]
    return counted


def _point(section: SectionCoverage, number: int, wrong: Collection[str]) -> Item:
    """A point counted: missing without even a question is a fault, and so is a paragraph that fails its checks."""
    point = section.points[number]
    fault, paragraph = "", None
    if point.verdict == "missing" and not point.paragraphs:
        fault = f"Ni réponse ni question au point « {point.text} »."
    elif point.verdict == "partial":
        fault = f"Sur le point « {point.text} », une phrase dit ce que sa source ne dit pas."
        paragraph = next((name for name in point.paragraphs if name in wrong), None)
    return Item(f"{section.number}/{number}", worth(point.verdict), section.number, paragraph, fault)


def _sections(memoire: Memoire) -> list[SectionCoverage]:
    drafted = {section.number: section for section in memoire.sections}
    return [_section(brief, drafted.get(brief.number)) for brief in outline(memoire.plan)]


def share(values: Sequence[float | None]) -> Metric:
    """Mean of values in [0, 1] with Wilson's interval; ``None`` is unscored, and nothing scored gives ``None``."""
    scored = [value for value in values if value is not None]
    n, unscored = len(scored), len(values) - len(scored)
    if not n:
        return Metric(value=None, n=0, unscored=unscored)
    p, z = sum(scored) / n, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Metric(value=p, n=n, unscored=unscored, interval=(max(0.0, centre - half), min(1.0, centre + half)))


def worth(verdict: Verdict) -> float | None:
    """A partial answer counts half; what is not scored counts for nothing, and is not a zero."""
    values: dict[Verdict, float | None] = {"covered": 1.0, "partial": 0.5, "missing": 0.0, "unscored": None}
    return values[verdict]


def _section(brief: SectionBrief, section: Section | None) -> SectionCoverage:
    points = []
    for number, point in enumerate(brief.points):
        paragraphs = [p for p in section.paragraphs if p.point in _holding(section, number)] if section else []
        verdict = _verdict(paragraphs, section) if section else "missing"
        points.append(PointCoverage(text=point.text, verdict=verdict, paragraphs=tuple(p.id for p in paragraphs)))
    return SectionCoverage(
        number=brief.number,
        title=brief.title,
        points=tuple(points),
        findings=section.findings if section else (),
    )


def answered(section: Section) -> int:
    """How many points of the plan have an answer, whatever it rests on: a sentence or a table."""
    told = {p.point for p in section.paragraphs if p.sentences or p.rows}
    asked = [n for n, point in enumerate(section.brief.points) if not point.evidence]
    return sum(bool(told.intersection(_holding(section, n))) for n in asked)


def _holding(section: Section, number: int) -> tuple[int | None, ...]:
    """Where a point's answer may stand: under it, or anywhere in a section that a person wrote under its heading."""
    free = all(paragraph.point is None for paragraph in section.paragraphs)
    return (number, None) if section.accepted and free else (number,)


def _verdict(paragraphs: Sequence[Paragraph], section: Section) -> Verdict:
    said = [s for p in paragraphs for s in p.sentences]
    if not said:
        return "unscored" if any(p.rows for p in paragraphs) else "missing"
    sound = [not remarks(sentence, section) for sentence in said if not unsourced(sentence)]
    if not sound:
        return "unscored"
    return "covered" if all(sound) else "partial"


def criterion_coverage(criterion: Criterion, tender: Tender, sections: Sequence[SectionCoverage]) -> CriterionCoverage:
    """What the points of the chapter a criterion pays are worth."""
    chapter = chapter_for(criterion, tender)
    verdicts = [
        point.verdict
        for s in sections
        for point in s.points
        if chapter is not None and (s.number == chapter.name or s.number.startswith(f"{chapter.name}."))
    ]
    coverage = share([worth(verdict) for verdict in verdicts]).value
    points = None if coverage is None or criterion.weight is None else coverage * criterion.weight
    return CriterionCoverage(label=criterion.label, weight=criterion.weight, coverage=coverage, points=points)


def compliance(tender: Tender, sections: Sequence[Section]) -> tuple[Compliance, ...]:
    """Every requirement with the section that answers it, or where it belongs, and how far the answer proves it."""
    found = {answer.requirement: (section, answer) for section in reversed(sections) for answer in section.answers}
    places = {link.source: link.target for link in tender.links if link.kind == "requirement"}
    rows = []
    for item in tender.requirements:
        if item.id not in found:
            rows.append(Compliance(requirement=item, section=places.get(item.id, "")))
            continue
        section, answer = found[item.id]
        rows.append(
            Compliance(
                requirement=item,
                section=section.number,
                answer=answer.sentence,
                paragraph=answer.paragraph,
                conformity=_conformity(item, answer.sentence) if answer.sentence else "open",
            )
        )
    return tuple(rows)


def _conformity(item: Requirement, answer: Sentence) -> Conformity:
    """Proven only where the firm commits itself and every figure asked for is in its words; a person says the rest."""
    asked, said = verify.quantities(item.text), verify.quantities(answer.text)
    proven = answer.claim == "commitment" and asked and all(any(verify.same(a, b) for b in said) for a in asked)
    return "yes" if proven else "confirm"

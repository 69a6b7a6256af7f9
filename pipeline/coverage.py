"""Tender, Memoire -> CoverageReport: what the document answers, against plan and criteria.

Deterministic. A point is covered when its paragraph has a sentence that rests on the firm's library and every such
sentence passes the checks again; partial when one does not; missing when the paragraph is a gap or the section is not
drafted; unscored when a person answers it on their own word, citing nothing. Intervals are Wilson's 95 % score
intervals (JASA 22, 1927). What no scorer measures yet is reported with n = 0, never as zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

from pipeline import verify
from pipeline.diagrams import evidence_figures
from pipeline.draft import unled
from pipeline.french import fold, looks_english
from pipeline.outline import outline
from pipeline.records import (
    Compliance,
    Conformity,
    CoverageReport,
    Criterion,
    CriterionCoverage,
    Memoire,
    Metric,
    Paragraph,
    PlanNode,
    PointCoverage,
    Requirement,
    Section,
    SectionBrief,
    SectionCoverage,
    Sentence,
    Tender,
    Verdict,
)
from pipeline.tables import evidence_tables, evidence_traced
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
)


def cover(tender: Tender, memoire: Memoire, headings: Sequence[str], manifest: dict[str, str]) -> CoverageReport:
    """Score a mémoire. ``headings``: those of the exported document, read back, in order."""
    drafted = {section.number: section for section in memoire.sections}
    sections = [_section(brief, drafted.get(brief.number)) for brief in outline(memoire.plan)]
    criteria = tuple(criterion_coverage(criterion, tender, sections) for criterion in tender.criteria)
    said = [(sentence, section) for section in memoire.sections for p in section.paragraphs for sentence in p.sentences]
    own = [(sentence, section) for sentence, section in said if sentence.claim != "asked"]
    verdicts = [point.verdict for section in sections for point in section.points]
    weighed = [c for c in criteria if c.coverage is not None and c.weight]
    metrics = {
        "plan_conformity": conformity(memoire.plan, headings),
        "point_coverage": share([worth(verdict) for verdict in verdicts]),
        "weighted_coverage": Metric(
            value=sum((c.coverage or 0) * (c.weight or 0) for c in weighed) / sum(c.weight or 0 for c in weighed)
            if weighed
            else None,
            n=len(weighed),
            unscored=len(criteria) - len(weighed),
        ),
        "citation_precision": share([None if unsourced(s) else float(not remarks(s, section)) for s, section in own]),
        "citation_recall": share(
            [None if unsourced(s) else float(bool(s.passages) and _exist(s, section)) for s, section in said]
        ),
        "figure_support": share(
            [
                None if unsourced(s) else float(not any(r.kind in ("figure", "name") for r in remarks(s, section)))
                for s, section in own
                if verify.quantities(s.text) or verify.names(s.text)
            ]
        ),
        "requirement_trace": share(
            [float(row.answer is not None) for row in memoire.compliance if row.requirement.mandatory]
        ),
        "evidence_present": _evidence(memoire),
        "distinction_labels": _distinguished(memoire),
        "french": share([float(not looks_english(s.text)) for s, _ in said]),
        "redundancy": _unique([s.text for s, _ in own]),
    }
    unmeasured = Metric(value=None, n=0)
    return CoverageReport(
        metrics={name: metrics.get(name, unmeasured) for name in METRICS},
        criteria=criteria,
        sections=tuple(sections),
        manifest=manifest,
    )


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


def unsourced(sentence: Sentence) -> bool:
    """Whether a person says it on their own word: there is nothing to hold it against, so it is not scored."""
    return sentence.wording == "person" and not sentence.passages


def worth(verdict: Verdict) -> float | None:
    """A partial answer counts half; what is not scored counts for nothing, and is not a zero."""
    worth: dict[Verdict, float | None] = {"covered": 1.0, "partial": 0.5, "missing": 0.0, "unscored": None}
    return worth[verdict]


def conformity(plan: Sequence[PlanNode], headings: Sequence[str]) -> Metric:
    """Share of the plan's headings found in the document in the same order, extra ones counting against it."""
    wanted = [fold(node.heading) for node in plan]
    found = [fold(text) for text in headings]
    if not wanted:
        return Metric(value=None, n=0)
    matched = sum(block.size for block in SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks())
    size = max(len(wanted), len(found))
    return share([1.0] * matched + [0.0] * (size - matched))


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


def remarks(sentence: Sentence, section: Section) -> list[verify.Remark]:
    """What a sentence says beyond the passages it cites."""
    passages = [p for p in section.passages if p.id in sentence.passages]
    if not passages:
        return [verify.Remark("citation", "Aucune source.")]
    topic = " ".join([section.title, "Pour notre client", *(point.text for point in section.brief.points)])
    text = sentence.text
    if sentence.claim == "asked":  # the words around the quote are ours
        text = text[text.find("«") + 1 : text.rfind("»")].replace("“", "« ").replace("”", " »")
    if any(passage.kind == "response" for passage in passages):
        text = unled(text)
    excerpts = {exchange.passage: exchange.excerpt for exchange in section.exchanges}
    written_from = [p.model_copy(update={"text": excerpts.get(p.id, p.text)}) for p in passages]
    # what it was written from, or else the whole passage: a person may have drawn on more of it
    return verify.check(text, written_from, topic) and verify.check(text, passages, topic)


def _exist(sentence: Sentence, section: Section) -> bool:
    known = {passage.id for passage in section.passages}
    return all(name in known for name in sentence.passages)


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


def _evidence(memoire: Memoire) -> Metric:
    """Share of the drafted sections asked for evidence that have it: our table, our diagram, or sentences on it."""
    # printed once; elsewhere the document refers to it (pipeline/export)
    present: set[str] = {table.kind for table in memoire.tables} | {figure.kind for figure in memoire.figures}
    values = []
    for section in memoire.sections:
        if not section.brief.evidence:
            continue
        kinds = [*evidence_tables(section.brief), *evidence_figures(section.brief)]
        told = [
            bool(paragraph.sentences)
            for paragraph in section.paragraphs
            if paragraph.point is not None and section.brief.points[paragraph.point].evidence
        ]
        shown = [kind in present for kind in kinds]
        shown += [bool(memoire.compliance)] if evidence_traced(section.brief) else []
        values.append(float(any(told) if told else bool(shown) and all(shown)))
    return share(values)


def _distinguished(memoire: Memoire) -> Metric:
    """Share of the paragraphs that carry a distinction where the buyer asks for some; gaps and quotes do not count."""
    return share(
        [
            float(paragraph.distinction is not None)
            for section in memoire.sections
            if section.brief.distinctions
            for paragraph in section.paragraphs
            if any(sentence.claim != "asked" for sentence in paragraph.sentences)
        ]
    )


def _unique(texts: Sequence[str]) -> Metric:
    """Share of sentences that are not said twice."""
    seen: set[str] = set()
    values = []
    for text in texts:
        values.append(float(fold(text) not in seen))
        seen.add(fold(text))
    return share(values)

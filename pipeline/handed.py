"""Any Word document, Tender -> CoverageReport: a mémoire that people wrote, scored as ours is, without drafts.

Nothing says what its sentences rest on, so citations, figures and founded commitments are unscored, not zero. Points
are read by pipeline/points.py, which agrees little with readers, or by pipeline/reader.py, which agrees more
(evals/points.py tells how much): the report shows where an answer seems to be, for a person to read, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.case import Case, Item
from pipeline.coverage import METRICS, criterion_coverage, share, worth
from pipeline.embed import Embedder
from pipeline.form import Place, paragraph_item, rule_items, sentence_item
from pipeline.french import fold, looks_english, sentences, typeset
from pipeline.outline import briefs_of
from pipeline.points import Asked, Calibration, Reading, Said, calibration, read_points, verdict_of
from pipeline.reader import Reader, read_attentively
from pipeline.reader import calibration as attentive_calibration
from pipeline.records import (
    Block,
    Check,
    CoverageReport,
    DocumentForm,
    Finding,
    Memoire,
    Metric,
    PointCoverage,
    SectionBrief,
    SectionCoverage,
    Tender,
)
from pipeline.review import named
from pipeline.scorers import conform

CAUTION = (
    "Lecture indicative : sans sources, les points sont rapprochés par leurs mots et leur sens, ce qui s'accorde peu "
    "avec un lecteur. Relisez chaque point ; aucune note n'en est tirée."
)
CAUTION_ATTENTIVE = (
    "Lecture attentive, encore indicative : un point dit traité l'est presque toujours ; un point dit partiel ou "
    "manquant est souvent traité ailleurs ou autrement. Relisez ceux-là ; aucune note n'en est tirée."
)
SHORT = 8
"""Words under which a line is a title, a label or a caption, and answers nothing."""
_CAPTION = re.compile(r"(?:tableau|figure|schema|graphique)\s*\d*\s*[–—:.-]")


def cover_document(
    tender: Tender,
    blocks: Sequence[Block],
    embedder: Embedder,
    manifest: Mapping[str, str],
    form: DocumentForm | None = None,
    reader: Reader | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CoverageReport:
    """Score a document by what it says. ``blocks``: as read, contents left out; ``form``: of its file. With a
    ``reader`` points are read attentively, a second for each of their likeliest paragraphs; ``progress`` is told
    (paragraphs read, of). Raises ModelError where the reader's model is not the one it was fitted for."""
    said = said_in(tender, blocks)
    asked = [
        Asked(brief.number, point.text, brief.title, point.part or "")
        for brief in briefs_of(tender)
        for point in brief.points
    ]
    model = attentive_calibration(reader.identity) if reader else calibration()
    found = read_attentively(asked, said, embedder, reader, progress) if reader else read_points(asked, said, embedder)
    readings: dict[int, list[Reading]] = {n: [] for n in range(len(asked))}
    for reading in found:
        readings[reading.point].append(reading)
    sections = _sections(briefs_of(tender), readings, said, model)
    criteria = tuple(criterion_coverage(criterion, tender, sections) for criterion in tender.criteria)
    weighed = [c for c in criteria if c.coverage is not None and c.weight]
    total = sum(c.weight or 0 for c in weighed)
    spoken = [sentence for paragraph in said for sentence in sentences(paragraph.text)]
    headings = tuple(block.text for block in blocks if block.kind == "heading")
    counted = {"readability": list(_readable(said)), "format_rules": list(_formed(tender, said, form))}
    unwritten = Memoire(title=tender.object or "", buyer=None, reference=None, plan=tender.plan, sections=())
    metrics = {
        "plan_conformity": share([item.value for item in conform(Case(tender, unwritten, headings))]),
        "point_coverage": share([worth(point.verdict) for section in sections for point in section.points]),
        "weighted_coverage": Metric(
            value=sum((c.coverage or 0) * (c.weight or 0) for c in weighed) / total if weighed else None,
            n=len(weighed),
            unscored=len(criteria) - len(weighed),
        ),
        "requirement_trace": _named_requirements(tender, blocks),
        "french": share([float(not looks_english(sentence)) for sentence in spoken]),
        "redundancy": _once(spoken),
        **{name: share([item.value for item in found]) for name, found in counted.items()},
    }
    unscored = Metric(value=None, n=0, unscored=len(spoken))
    return CoverageReport(
        metrics={name: metrics.get(name, unscored) for name in METRICS},
        criteria=criteria,
        sections=sections,
        manifest=dict(manifest),
        checks=tuple(
            Check(metric=name, section=item.section, paragraph=item.paragraph, message=typeset(item.fault))
            for name, found in counted.items()
            for item in found
            if item.fault
        ),
    )


def said_in(tender: Tender, blocks: Sequence[Block]) -> list[Said]:
    """The paragraphs of a document under the sections of the plan, wherever they stand; rows of tables are paragraphs,
    titles and captions are none."""
    left = list(tender.plan)
    section = ""
    found: list[Said] = []
    for block in blocks:
        node = named(block.text, left) if block.kind == "heading" else None
        if node is not None:
            left.remove(node)
            section = node.name
        elif block.kind == "table":
            found += [Said(section, " : ".join(filter(None, row))) for row in block.rows[1:]]
        elif block.kind in ("paragraph", "item") and not _CAPTION.match(fold(block.text)):
            found.append(Said(section, block.text))
    return [paragraph for paragraph in found if len(paragraph.text.split()) >= SHORT]


def _sections(
    briefs: Sequence[SectionBrief],
    readings: Mapping[int, Sequence[Reading]],
    said: Sequence[Said],
    model: Calibration,
) -> tuple[SectionCoverage, ...]:
    found = []
    at = 0
    for brief in briefs:
        points = []
        for point in brief.points:
            verdict, paragraphs = verdict_of(readings[at], model)
            names = tuple(f"§{n + 1}" for n in paragraphs[:3])
            points.append(PointCoverage(text=point.text, verdict=verdict, paragraphs=names))
            at += 1
        empty = not any(paragraph.section == brief.number for paragraph in said)
        missing = (Finding(kind="gap", message="Rien n'est écrit sous ce titre."),) if empty else ()
        found.append(SectionCoverage(number=brief.number, title=brief.title, points=tuple(points), findings=missing))
    return tuple(found)


def _named_requirements(tender: Tender, blocks: Sequence[Block]) -> Metric:
    """Share of the mandatory requirements that the document names; unscored where the buyer numbers none of them."""
    text = fold(" ".join(block.text for block in blocks))
    wanted = [item.id for item in tender.requirements if item.mandatory]
    hits = [bool(re.search(rf"(?<!\w){re.escape(fold(name))}(?!\w)", text)) for name in wanted]
    return share([float(hit) for hit in hits]) if any(hits) else Metric(value=None, n=0, unscored=len(wanted))


def _readable(said: Sequence[Said]) -> Iterator[Item]:
    """Sentences and paragraphs that are no longer than can be read."""
    for n, paragraph in enumerate(said, start=1):
        for k, sentence in enumerate(sentences(paragraph.text)):
            yield sentence_item(f"§{n}#{k}", sentence, paragraph.section, f"§{n}")
        yield paragraph_item(paragraph.text, paragraph.section, f"§{n}")


def _formed(tender: Tender, said: Sequence[Said], form: DocumentForm | None) -> Iterator[Item]:
    """What the buyer's rules of form say that the document shows."""
    foreign = (
        Place(paragraph.section, f"§{n}")
        for n, paragraph in enumerate(said, start=1)
        if any(looks_english(sentence) for sentence in sentences(paragraph.text))
    )
    return rule_items(tender, form, next(foreign, None))


def _once(spoken: Sequence[str]) -> Metric:
    """Share of the sentences that are not said twice."""
    seen: set[str] = set()
    values = []
    for sentence in spoken:
        if len(sentence.split()) >= SHORT:
            values.append(float(fold(sentence) not in seen))
            seen.add(fold(sentence))
    return share(values)

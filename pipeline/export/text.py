"""Memoire -> Markdown and self-contained HTML."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pipeline.export import NOTICE, TO_DRAFT, gaps, is_leaf, place, section_of, sources
from pipeline.french import typeset
from pipeline.records import CoverageReport, Memoire

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def template(name: str) -> Template:
    """A page of this package, by file name; values are escaped."""
    return _TEMPLATES.get_template(name)


def to_markdown(memoire: Memoire) -> str:
    """CommonMark; citations as « [n] », sources listed at the end."""
    numbered = sources(memoire)
    lines = [f"# Mémoire technique – {memoire.title}", "", f"*{typeset(NOTICE)}*", ""]
    for node in memoire.plan:
        lines += [f"{'#' * (node.level + 1)} {node.heading}", ""]
        section = section_of(memoire, node)
        if section is None:
            lines += [f"**{typeset(TO_DRAFT)}**", ""] if is_leaf(memoire, node) else []
            continue
        for paragraph in section.paragraphs:
            lines += [f"**{section.brief.points[paragraph.point].text}**", ""]
            lines += [f"**{paragraph.gap}**", ""] if paragraph.gap else []
            if paragraph.sentences:
                lines += [" ".join(f"{s.text} {numbered.marks(s)}".strip() for s in paragraph.sentences), ""]
    if numbered.passages:
        lines += ["## Liste des sources", ""]
        lines += [f"- [{i}] {typeset(place(p))}" for i, p in enumerate(numbered.passages, start=1)]
    return "\n".join(lines).rstrip() + "\n"


def to_html(memoire: Memoire) -> str:
    """One file, no outside request."""
    return _TEMPLATES.get_template("memoire.html.jinja").render(
        memoire=memoire,
        numbered=sources(memoire),
        gaps=gaps(memoire),
        place=place,
        typeset=typeset,
        section_of=section_of,
        is_leaf=is_leaf,
        notice=NOTICE,
        to_draft=TO_DRAFT,
    )


def report_to_html(report: CoverageReport, title: str) -> str:
    """The coverage report as one self-contained page."""
    return _TEMPLATES.get_template("coverage.html.jinja").render(report=report, title=title, labels=LABELS)


def report_to_junit(report: CoverageReport) -> str:
    """JUnit XML: one case a point; a missing point is a failure."""
    return _TEMPLATES.get_template("coverage.junit.jinja").render(report=report)


LABELS = {
    "plan_conformity": "Conformité au plan imposé",
    "point_coverage": "Points traités",
    "weighted_coverage": "Couverture pondérée par les critères",
    "citation_precision": "Phrases dont les sources disent tout",
    "citation_recall": "Phrases avec une source",
    "figure_support": "Chiffres et noms retrouvés dans la source",
    "requirement_trace": "Exigences rattachées",
    "evidence_present": "Preuves demandées présentes",
    "distinction_labels": "Distinctions demandées marquées",
    "french": "Phrases en français",
    "redundancy": "Phrases dites une seule fois",
}

"""Memoire -> Markdown and self-contained HTML."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pipeline.export import (
    GLOSSARY,
    GLOSSARY_HEADER,
    MATRIX,
    MATRIX_HEADER,
    REQUIREMENTS_HEADER,
    TO_DRAFT,
    UNENGAGED,
    UNENGAGED_NOTE,
    Sources,
    answered,
    cells,
    chapter_end,
    columns,
    figures_of,
    gaps,
    glossary,
    is_leaf,
    matrix_row,
    notice,
    place,
    point_title,
    referral,
    referred,
    requirement_cells,
    requirement_rows,
    requirements_title,
    section_of,
    sources,
    tables_of,
    unengaged,
)
from pipeline.export.figures import to_png
from pipeline.french import fold, french_date, join_french, typeset
from pipeline.records import (
    CoverageReport,
    JudgeReport,
    Memoire,
    Review,
    ReviewedParagraph,
    ReviewedSection,
    ReviewVerdict,
    Section,
    Verdict,
)

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
    lines = [f"# {memoire.kind} – {memoire.title}", "", f"*{notice(memoire)}*", ""]
    for position, node in enumerate(memoire.plan):
        lines += [f"{'#' * (node.level + 1)} {node.heading}", ""]
        section = section_of(memoire, node)
        if section is None:
            lines += [f"**{typeset(TO_DRAFT)}**", ""] if is_leaf(memoire, node) else []
        else:
            lines += _body(memoire, section, numbered)
        chapter = chapter_end(memoire, position)
        rows = [requirement_cells(row, numbered) for row in requirement_rows(memoire, chapter)]
        if chapter and rows:
            lines += [f"*{requirements_title(chapter)}*", "", *_markdown_table(REQUIREMENTS_HEADER, rows), ""]
    if memoire.compliance:
        rows = [matrix_row(row) for row in memoire.compliance]
        lines += [f"## {MATRIX}", "", *_markdown_table(MATRIX_HEADER, rows), ""]
    if terms := glossary(memoire):
        lines += [f"## {GLOSSARY}", "", *_markdown_table(GLOSSARY_HEADER, terms), ""]
    if numbered.passages:
        lines += ["## Liste des sources", ""]
        lines += [f"- [{i}] {typeset(place(p))}" for i, p in enumerate(numbered.passages, start=1)]
    return "\n".join(lines).rstrip() + "\n"


def _body(memoire: Memoire, section: Section, numbered: Sources) -> list[str]:
    """Paragraphs and tables of a section, each point named once."""
    lines: list[str] = []
    said: int | None = None
    for paragraph in section.paragraphs:
        if paragraph.point is not None and paragraph.point != said:
            lines += [f"**{point_title(section.brief.points[paragraph.point])}**", ""]
            said = paragraph.point
        lines += [f"**{paragraph.gap}**", ""] if paragraph.gap else []
        lines += [*_markdown_table(paragraph.rows[0], paragraph.rows[1:]), ""] if paragraph.rows else []
        if paragraph.sentences:
            label = (
                f"{'- ' * paragraph.item}*{paragraph.distinction}.* "
                if paragraph.distinction
                else "- " * paragraph.item
            )
            text = " ".join(f"{s.text} {numbered.marks(s)}".strip() for s in paragraph.sentences)
            lines += [f"{label}{text} {answered(memoire, paragraph)}".strip(), ""]
    for what, item in referred(memoire, section):
        lines += [referral(what, item), ""]
    for figure in figures_of(memoire, section):
        lines += [f"*Figure – {figure.title}* {numbered.of(figure)}".rstrip(), "", typeset(figure.alt), ""]
    for table in tables_of(memoire, section):
        rows = [cells(table, row, numbered) for row in table.rows]
        lines += [f"*{table.title}*", "", *_markdown_table(columns(table), rows), ""]
    return lines


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a pipe table; what would break it is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in row)} |" for row in lines
    ]


def to_html(memoire: Memoire) -> str:
    """One file, no outside request."""
    return _TEMPLATES.get_template("memoire.html.jinja").render(
        memoire=memoire,
        numbered=sources(memoire),
        gaps=gaps(memoire),
        place=place,
        point_title=point_title,
        typeset=typeset,
        section_of=section_of,
        is_leaf=is_leaf,
        notice=notice(memoire),
        to_draft=TO_DRAFT,
        tables_of=tables_of,
        columns=columns,
        figures_of=figures_of,
        referred=referred,
        referral=referral,
        requirement_cells=requirement_cells,
        picture=lambda figure: base64.b64encode(to_png(figure)).decode(),
        cells=cells,
        matrix=[matrix_row(row) for row in memoire.compliance],
        matrix_header=MATRIX_HEADER,
        matrix_title=MATRIX,
        chapter_end=chapter_end,
        requirement_rows=requirement_rows,
        requirements_title=requirements_title,
        requirements_header=REQUIREMENTS_HEADER,
        answered=answered,
        unengaged=unengaged(memoire),
        unengaged_title=UNENGAGED,
        unengaged_note=UNENGAGED_NOTE,
        glossary=glossary(memoire),
        glossary_title=GLOSSARY,
        glossary_header=GLOSSARY_HEADER,
    )


def report_to_html(report: CoverageReport, title: str, trend: Sequence[tuple[str, float]] = ()) -> str:
    """The coverage report as one self-contained page. ``trend``: (when, coverage) of the evaluations kept."""
    return _TEMPLATES.get_template("coverage.html.jinja").render(
        report=report,
        title=title,
        labels=LABELS,
        accepted=acceptance_lines(report),
        marked=mark_lines(report),
        judged=judge_lines(report.judge) if report.judge else [],
        names=STATES,
        trend=trend,
    )


def review_to_html(review: Review, title: str) -> str:
    """Generated against human text, side by side or in one, as one self-contained page."""
    return _TEMPLATES.get_template("review.html.jinja").render(
        review=review,
        title=title,
        verdicts=VERDICTS,
        totals=review_totals(review),
        notes=review_notes,
        renamed=lambda section: section.human_title and fold(section.human_title) != fold(section.title),
        day=lambda date: french_date(date[:10]),
    )


def review_notes(row: ReviewedParagraph, section: ReviewedSection) -> list[str]:
    """What is to be known of a paragraph beside its verdict, in French."""
    notes = []
    if row.moved_from is not None and row.moved_from == section.number:
        notes.append("déplacé dans la section")
    elif row.moved_from is not None:
        notes.append(f"déplacé de {row.moved_from} vers {section.number or 'avant le plan'}")
    if row.split:
        notes.append("coupé en plusieurs")
    if row.merged:
        notes.append("plusieurs réunis")
    if not row.sure:
        notes.append("rapprochement peu sûr")
    if row.citations_lost:
        plural = "s" if row.citations_lost > 1 else ""
        notes.append(f"{row.citations_lost} source{plural} perdue{plural}")
    if row.gap_answered:
        notes.append("question répondue")
    return notes


def review_totals(review: Review) -> list[tuple[str, str]]:
    """(what, how much) of a review, in French."""
    rows = [row for section in review.sections for row in section.paragraphs]
    said = verdict_counts(Counter(row.verdict for row in rows))

    moved = sum(row.moved_from is not None for row in rows)
    said += f" ; dont {moved} déplacés" if moved else ""
    unsure = (
        join_french(section.number or "avant le plan" for section in review.sections if not section.sure) or "aucune"
    )

    def share(value: float | None) -> str:
        return "non mesuré" if value is None else typeset(f"{100 * value:.1f} %".replace(".", ","))

    return [
        ("Mots conservés tels quels", share(review.acceptance)),
        ("Paragraphes", said),
        ("Ressemblance (chrF)", share(review.chrf)),
        ("Distance d’édition", share(review.edit_distance)),
        ("Sources perdues", str(review.citations_lost)),
        ("Chiffres changés par une personne", str(sum(len(row.figures) for row in rows))),
        ("Questions répondues", str(review.gaps_answered)),
        ("Commentaires de relecteurs", str(sum(len(row.comments) for row in rows))),
        ("Sections au rapprochement peu sûr", unsure),
    ]


def verdict_counts(counts: Mapping[ReviewVerdict, int]) -> str:
    """« 3 conservés, 1 retouchés, 0 récrits, 0 supprimés, 2 ajoutés »."""
    names: dict[ReviewVerdict, str] = {
        "kept": "conservés",
        "edited": "retouchés",
        "rewritten": "récrits",
        "deleted": "supprimés",
        "added": "ajoutés",
    }
    return ", ".join(f"{counts.get(verdict, 0)} {name}" for verdict, name in names.items())


def report_to_junit(report: CoverageReport) -> str:
    """JUnit XML: one case a point; a missing point is a failure."""
    return _TEMPLATES.get_template("coverage.junit.jinja").render(report=report)


VERDICTS = {
    "kept": "Conservé",
    "edited": "Retouché",
    "rewritten": "Récrit",
    "deleted": "Supprimé",
    "added": "Ajouté",
}
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
    "commitments_founded": "Engagements fondés sur une fiche de l'entreprise",
    "client_names": "Phrases et lignes sans nom confidentiel",
    "page_budget": "Sections dans leur part des pages",
    "exhibits_present": "Tableaux et schémas demandés présents",
    "table_support": "Lignes de tableaux retrouvées dans leur source",
    "requirements_listed": "Exigences listées avec leur réponse",
    "readability": "Phrases et paragraphes de longueur lisible",
    "format_rules": "Règles de forme de l'acheteur tenues",
}


STATES: Mapping[Verdict, str] = {
    "covered": "traité",
    "partial": "en partie",
    "missing": "manquant",
    "unscored": "non évalué",
}


def judge_lines(judge: JudgeReport) -> list[str]:
    """Who judged, how far the runs agree and how far the judge and the scorers do: a French line each."""
    held = [point for point in judge.points if "unscored" not in (point.scored, point.judged)]
    several = "s" if judge.runs > 1 else ""
    lines = [
        f"Second avis : {judge.model}, {judge.runs} passage{several}, {len(judge.points)} points lus.",
        f"Avec les mesures : {len(held) - len(judge.disagreements)} accords et {len(judge.disagreements)} désaccords ; "
        f"{judge.unscored} points non évalués par le juge, {sum(point.unscored for point in judge.points)} réponses "
        "inutilisables.",
    ]
    if judge.agreement is not None:
        lines.append(f"Accord entre les passages : {100 * judge.agreement:.0f} %.")
    if judge.spread:
        low, high = judge.spread
        lines.append(f"Points traités d'après chaque passage seul : de {100 * low:.0f} % à {100 * high:.0f} %.")
    return [typeset(line) for line in lines]


def mark_lines(report: CoverageReport) -> list[str]:
    """The simulated mark with its warning, and what would gain most: a French line each."""
    if report.mark is None:
        return []
    mark = report.mark
    unit = "" if mark.unit == "%" else " points"
    low, high = mark.interval
    told = f"Note technique simulée : {mark.value:.1f} sur {mark.out_of:g}{unit} [{low:.1f} – {high:.1f}]"
    lines = [f"{told}. Elle mesure ce qui est traité, pas le jugement du jury.".replace(".", ",", 3)]
    if report.gains:
        lines.append("Ce qui ferait gagner le plus :")
    lines += [
        f"  +{gain.gain:.2f}{unit}  {gain.section}  {gain.point} ({STATES[gain.verdict]})".replace(".", ",", 1)
        for gain in report.gains
    ]
    return [typeset(line) for line in lines]


def acceptance_lines(report: CoverageReport) -> list[str]:
    """What people kept of each model's words, with each prompt: a French line each."""
    return [
        typeset(
            f"Mots conservés ({rate.model}, consigne {rate.prompt_sha256[:8]}) : {100 * (rate.kept.value or 0):.1f} %"
            f" [{100 * low:.0f} – {100 * high:.0f} %] (n = {rate.kept.n} sections)".replace(".", ",")
        )
        for rate in report.acceptance
        for low, high in [rate.kept.interval or (0.0, 1.0)]
    ]

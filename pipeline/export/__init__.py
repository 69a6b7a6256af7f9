"""Memoire -> DOCX, Markdown, HTML. One module a format; what they share, numbering of sources, is here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.diagrams import evidence_figures
from pipeline.french import french_date, join_french, typeset
from pipeline.prompts import word_list
from pipeline.records import (
    Compliance,
    Conformity,
    Figure,
    Memoire,
    Paragraph,
    Passage,
    PlanNode,
    Point,
    Requirement,
    Section,
    Sentence,
    Table,
    TableRow,
)
from pipeline.tables import evidence_tables

TO_DRAFT = "[À RÉDIGER : cette section n'a pas encore été rédigée.]"
NOTICE = (
    "Projet rédigé avec l'aide d'un modèle de langage exécuté sur les machines de l'entreprise ; chaque phrase "
    "renvoie à sa source. À relire et à valider par une personne avant remise."
)

VALIDATED = (
    "Document rédigé avec l'aide d'un modèle de langage exécuté sur les machines de l'entreprise, relu et validé par "
    "{who} le {day}."
)


def notice(memoire: Memoire) -> str:
    """What the document says of how it was written; reworded once people have validated every drafted section."""
    if not memoire.validated_by or not memoire.validated_on:
        return typeset(NOTICE)
    return typeset(VALIDATED.format(who=join_french(memoire.validated_by), day=french_date(memoire.validated_on)))


@dataclass(frozen=True)
class Sources:
    """Cited passages in order of first citation; ``number`` counts from 1."""

    passages: tuple[Passage, ...]
    _numbers: dict[str, int]

    def marks(self, sentence: Sentence) -> str:
        """« [3] » or « [3, 5] »; empty where the sentence cites nothing."""
        return self._marks(sentence.passages)

    def mark(self, row: TableRow) -> str:
        """The same for a row of a table."""
        return self._marks((row.source.id,) if row.source else ())

    def of(self, figure: Figure) -> str:
        """The same for a diagram."""
        return self._marks([passage.id for passage in figure.sources])

    def _marks(self, names: Sequence[str]) -> str:
        numbers = sorted(self._numbers[name] for name in names if name in self._numbers)
        return f"[{', '.join(_runs(numbers))}]" if numbers else ""


def _runs(numbers: Sequence[int]) -> list[str]:
    """Rising numbers with runs of three and more shortened: « 3 », « 5-9 »."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [text for run in runs for text in ([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run))]


def sources(memoire: Memoire) -> Sources:
    """Number every cited passage by its first citation."""
    found: dict[str, Passage] = {}
    for section in memoire.sections:
        known = {passage.id: passage for passage in section.passages}
        for paragraph in section.paragraphs:
            for sentence in paragraph.sentences:
                for name in sentence.passages:
                    if name in known:
                        found.setdefault(name, known[name])
        for table in tables_of(memoire, section):
            for row in table.rows:
                if row.source:
                    found.setdefault(row.source.id, row.source)
        for figure in figures_of(memoire, section):
            for passage in figure.sources:
                found.setdefault(passage.id, passage)
        for answer in section.answers:
            for name in answer.sentence.passages if answer.sentence else ():
                if name in known:
                    found.setdefault(name, known[name])
    return Sources(tuple(found.values()), {name: number for number, name in enumerate(found, start=1)})


def tables_of(memoire: Memoire, section: Section) -> list[Table]:
    """A section's tables."""
    return [table for table in memoire.tables if table.section == section.number]


def figures_of(memoire: Memoire, section: Section) -> list[Figure]:
    """A section's diagrams."""
    return [figure for figure in memoire.figures if figure.section == section.number]


def referred(memoire: Memoire, section: Section) -> list[tuple[str, Figure | Table]]:
    """(what it is called, it) of what the buyer wants here as evidence and is printed elsewhere."""
    tables = [("le tableau", t) for t in memoire.tables if t.kind in evidence_tables(section.brief)]
    figures = [("le schéma", f) for f in memoire.figures if f.kind in evidence_figures(section.brief)]
    found: list[tuple[str, Figure | Table]] = [*figures, *tables]
    return [(what, item) for what, item in found if item.section != section.number]


def referral(what: str, item: Figure | Table) -> str:
    """« Voir le tableau « … », section 1.3. »"""
    return typeset(f"Voir {what} « {item.title} », section {item.section}.")


SOURCES = "Liste des sources"
_NUMBERED = re.compile(r"^(?:Tableau|Figure) \d+ – |(?<=^Voir le tableau )\d+ |(?<=^Voir le schéma )\d+ ")


def own_lines(memoire: Memoire, node: PlanNode) -> list[str]:
    """Every line a document prints under a heading that is none of the section's paragraphs, titles of points apart;
    captions without their number (see :func:`unnumbered`). Whoever prints another line adds it here, so that it is not
    taken for a person's."""
    section = section_of(memoire, node)
    lines = [typeset(TO_DRAFT), *(f.title for f in memoire.figures), *(t.title for t in memoire.tables)]
    if section:
        lines += [
            *(referral(*item) for item in referred(memoire, section)),
            *filter(None, (point.part for point in section.brief.points)),
        ]
    return [*lines, *(typeset(requirements_title(chapter)) for chapter in memoire.plan if chapter.level == 1)]


def own_tables(memoire: Memoire) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Every table a document prints by itself: its title, and its rows, header first."""
    numbered = sources(memoire)
    found = [(t.title, [columns(t), *(cells(t, row, numbered) for row in t.rows)]) for t in memoire.tables]
    for chapter in (node for node in memoire.plan if node.level == 1):
        rows = [requirement_cells(row, numbered) for row in requirement_rows(memoire, chapter)]
        if rows:
            found.append((requirements_title(chapter), [REQUIREMENTS_HEADER, *rows]))
    found.append((MATRIX, [MATRIX_HEADER, *(matrix_row(row) for row in memoire.compliance)]))
    return [*found, (GLOSSARY, [GLOSSARY_HEADER, *glossary(memoire)])]


def unnumbered(caption: str) -> str:
    """« Tableau 3 – Équipes » without « Tableau 3 – », « Voir le tableau 3 « … » » without « 3 »; any other line as it
    is."""
    return _NUMBERED.sub("", caption)


def columns(table: Table) -> tuple[str, ...]:
    """The header as printed: with a column of sources where rows have some."""
    return (*table.header, "Source") if any(row.source for row in table.rows) else table.header


def cells(table: Table, row: TableRow, numbered: Sources) -> tuple[str, ...]:
    """A row as printed."""
    own = tuple(typeset(cell) for cell in row.cells)
    return (*own, numbered.mark(row)) if len(columns(table)) > len(own) else own


MATRIX = "Matrice de conformité"
MATRIX_HEADER = ("Exigence", "Caractère", "Document, article et page", "Section", "Conformité")
REQUIREMENTS_HEADER = ("Exigence", "Énoncé", "Notre réponse", "Source", "Conformité")
CONFORMITY: Mapping[Conformity, str] = {"yes": "Conforme", "confirm": "À confirmer", "open": "À traiter"}
GLOSSARY, GLOSSARY_HEADER = "Glossaire", ("Sigle", "Signification")
UNENGAGED = "Points appuyés sur la seule expérience"
UNENGAGED_NOTE = "Rien n'y dit ce que l'entreprise fera pour ce marché : précisez-le si l'acheteur l'attend."
STATED = 260
"""Characters shown of a requirement; the whole of it is in the buyer's document."""


def matrix_row(row: Compliance) -> tuple[str, ...]:
    """A requirement as the matrix prints it."""
    item = row.requirement
    article = f"« {item.article} »" if item.article else ""
    where = ", ".join(filter(None, (item.document, article, f"p. {item.page}" if item.page is not None else "")))
    return (
        item.id,
        "obligatoire" if item.mandatory else "souhaitée",
        typeset(where),
        row.section or "hors du plan",
        CONFORMITY[row.conformity],
    )


def requirement_rows(memoire: Memoire, chapter: PlanNode | None) -> list[Compliance]:
    """The requirements that a chapter answers, or ought to; none where there is no chapter."""
    if chapter is None:
        return []
    inside = f"{chapter.name}."
    return [row for row in memoire.compliance if row.section == chapter.name or row.section.startswith(inside)]


def requirement_cells(row: Compliance, numbered: Sources) -> tuple[str, ...]:
    """A requirement as a chapter's table prints it."""
    return (
        row.requirement.id,
        _shortened(typeset(row.requirement.text)),
        f"{row.section} : {row.answer.text if row.answer else '—'}",
        numbered.marks(row.answer) if row.answer else "",
        CONFORMITY[row.conformity],
    )


def chapter_end(memoire: Memoire, position: int) -> PlanNode | None:
    """The chapter that ends with the node at ``position`` of the plan, if one does."""
    following = memoire.plan[position + 1] if position + 1 < len(memoire.plan) else None
    if following is not None and following.level > 1:
        return None
    return next((node for node in reversed(memoire.plan[: position + 1]) if node.level == 1), None)


def requirements_title(chapter: PlanNode) -> str:
    """Caption of a chapter's table of requirements."""
    return f"Exigences de l'acheteur traitées au chapitre {chapter.name}"


def answering(memoire: Memoire, paragraph: Paragraph) -> list[Requirement]:
    """The requirements a paragraph answers."""
    return [row.requirement for row in memoire.compliance if row.paragraph == paragraph.id]


def answered(memoire: Memoire, paragraph: Paragraph) -> str:
    """« Répond à EX-012 (p. 5) et EX-014 (p. 6). », or nothing."""
    items = answering(memoire, paragraph)
    named = [f"{item.id} (p. {item.page})" if item.page is not None else item.id for item in items]
    return typeset(f"Répond à {join_french(named)}.") if named else ""


def _shortened(text: str) -> str:
    return text if len(text) <= STATED else f"{text[:STATED].rsplit(' ', 1)[0]}…"


def place(passage: Passage) -> str:
    """« pf.docx, article « 3.1 … », p. 5 »."""
    parts = [passage.document]
    if passage.article:
        parts.append(f"« {passage.article} »")
    if passage.page is not None:
        parts.append(f"p. {passage.page}")
    if passage.kind == "component" and passage.date:
        parts.append(f"faits du {french_date(passage.date)}")
    return ", ".join(parts)


def unengaged(memoire: Memoire) -> list[str]:
    """Points that rest on what was done elsewhere only: « 4.2 Supervision et incidents : Astreintes »."""
    found = []
    for section in memoire.sections:
        names = {finding.paragraph for finding in section.findings if finding.kind == "commitment"}
        points = {p.point: None for p in section.paragraphs if p.id in names and p.point is not None}
        if points:
            told = " ; ".join(section.brief.points[point].text.rstrip(".") for point in points)
            found.append(typeset(f"{section.number} {section.title} : {told}."))
    return found


def glossary(memoire: Memoire) -> list[tuple[str, str]]:
    """(acronym, meaning) of the known acronyms (prompts/lists/acronyms.txt) the document uses, in their order."""
    said = " ".join(
        [
            *(s.text for section in memoire.sections for p in section.paragraphs for s in p.sentences),
            *(cell for table in memoire.tables for row in table.rows for cell in row.cells),
        ]
    )
    pairs = (line.partition("=") for line in word_list("acronyms"))
    known = {acronym.strip(): meaning.strip() for acronym, _, meaning in pairs}
    return sorted((a, known[a]) for a in known if re.search(rf"(?<!\w){re.escape(a)}(?!\w)", said))


def point_title(point: Point) -> str:
    """A point as the document prints it: the buyer's words, and that they ask for evidence where they do."""
    return typeset(f"Preuve demandée : {point.text.rstrip('.')}") if point.evidence else point.text


def gaps(memoire: Memoire) -> list[tuple[Section, Paragraph]]:
    """Every paragraph a person must fill in."""
    return [(s, p) for s in memoire.sections for p in s.paragraphs if p.gap]


def section_of(memoire: Memoire, node: PlanNode) -> Section | None:
    return next((section for section in memoire.sections if section.number == node.name), None)


def is_leaf(memoire: Memoire, node: PlanNode) -> bool:
    """Whether a node carries text: it has points, or nothing stands below it."""
    index = memoire.plan.index(node)
    following = memoire.plan[index + 1] if index + 1 < len(memoire.plan) else None
    return bool(node.points or node.parts) or following is None or following.level <= node.level

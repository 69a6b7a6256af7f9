"""Memoire -> DOCX: the buyer's headings numbered by Word, contents with pages, captions, live references both ways
between requirements and answers, gaps in front, sources at the end."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from docx.document import Document as WordDocument
from docx.oxml.ns import qn
from docx.shared import Cm, Length
from docx.text.paragraph import Paragraph as WordParagraph
from docx_plus.fields import mark_fields_dirty
from docx_plus.notes import add_footnote
from docx_plus.notes.registry import FootnoteIdRegistry

from pipeline.export import (
    GLOSSARY,
    GLOSSARY_HEADER,
    MATRIX,
    MATRIX_HEADER,
    REQUIREMENTS_HEADER,
    SOURCES,
    TO_DRAFT,
    UNENGAGED,
    UNENGAGED_NOTE,
    answering,
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
    referred,
    requirement_cells,
    requirement_rows,
    requirements_title,
    section_of,
    sources,
    tables_of,
    unengaged,
)
from pipeline.export import fields as ooxml
from pipeline.export.figures import to_png
from pipeline.export.numbering import bind, levels_of
from pipeline.export.template import TABLE_STYLE, content_place, fill, opened, raise_text, text_width
from pipeline.french import typeset
from pipeline.records import Compliance, Figure, Memoire, Paragraph, PlanNode, Section, Table

PROPERTY_CHARS = 255
"""Longest document property (ECMA-376 part 2, as python-docx enforces it)."""
CONTENTS, TO_COMPLETE = "Table des matières", "Points à compléter"
LISTS = {"Figure": "Liste des figures", "Tableau": "Liste des tableaux"}
_MARK = re.compile(r"\[(\d+(?:[-,]\s*\d+)*)\]")


@dataclass(frozen=True)
class Layout:
    """How the document is laid out."""

    template: Path | None = None
    """The firm's; ``None`` for the shipped one."""
    citations: Literal["brackets", "footnotes"] = "brackets"
    date: dt.date | None = None
    """Printed on the cover."""
    least_points: float | None = None
    """The smallest text the buyer allows: styles under it are raised to it."""
    pages: Mapping[str, int] | None = None
    """Page of each bookmark, from 1, once the document was laid out (pipeline/export/pages.py); without them Word
    computes the contents when it opens the file."""


def to_docx(memoire: Memoire, layout: Layout | None = None) -> bytes:
    """The document as bytes: write them whole with :func:`pipeline.run.export_dossier`. Raises DocumentError where the
    template cannot be used."""
    layout = layout or Layout()
    document = opened(layout.template)
    raise_text(document, layout.least_points)
    after = content_place(document)
    writer = _Writer(memoire, layout, document)
    writer.write()
    for child in after:
        document.element.body.insert(len(document.element.body) - 1, child)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


class _InOrder(FootnoteIdRegistry):
    """Footnotes numbered as they come: docx-plus draws identifiers at random, and LibreOffice 7.4 pairs calls and
    notes by their order."""

    def next(self) -> int:
        return int(self.next_sequential())


@dataclass
class _Writer:
    """Writes one document from its beginning to its end."""

    memoire: Memoire
    layout: Layout
    document: WordDocument
    marks: int = 0
    """Bookmarks made."""

    def __post_init__(self) -> None:
        memoire = self.memoire
        self.width = text_width(self.document)
        self.numbered = sources(memoire)
        self.notes = _InOrder(self.document)
        self.levels = levels_of(memoire.plan)
        self.anchors = {node.name: f"section{n}" for n, node in enumerate(memoire.plan, start=1)}
        rows = [row for p in range(len(memoire.plan)) for row in requirement_rows(memoire, chapter_end(memoire, p))]
        self.requirements = {row.requirement.id: f"exigence{n}" for n, row in enumerate(rows, start=1)}
        paragraphs = [paragraph for section in memoire.sections for paragraph in section.paragraphs]
        self.answers = {paragraph.id: f"paragraphe{n}" for n, paragraph in enumerate(paragraphs, start=1)}
        self.captions = {caption.anchor: caption for caption in _captions(memoire)}
        self.caption_of = {id(caption.item): caption for caption in self.captions.values()}
        self.styles = {style.name: style.style_id for style in self.document.styles}
        self.table_points = max(8.5, self.layout.least_points or 0.0)

    def write(self) -> None:
        if self.levels:
            bind(self.document, self.levels)
        self._cover()
        self._contents()
        self._to_complete()
        for position, node in enumerate(self.memoire.plan):
            self._node(position, node)
        self._annexes()
        if self.layout.pages is None:
            mark_fields_dirty(self.document)

    # --- what stands before the plan -----------------------------------------------------------------------

    def _cover(self) -> None:
        memoire, properties = self.memoire, self.document.core_properties
        told = fill(
            self.document,
            {
                "titre": typeset(memoire.kind),
                "objet": typeset(memoire.title),
                "acheteur": typeset(memoire.buyer or ""),
                "reference": memoire.reference or "",
                "date": f"{self.layout.date:%d/%m/%Y}" if self.layout.date else "",
                "mention": notice(memoire),
            },
        )
        properties.title = f"{memoire.kind} – {memoire.title}"[:PROPERTY_CHARS]
        properties.subject = (memoire.reference or "")[:PROPERTY_CHARS]
        properties.comments = notice(memoire)[:PROPERTY_CHARS]
        properties.author = ""
        properties.language = "fr-FR"
        if not told:
            self._line("Normal").add_run(notice(self.memoire)).italic = True

    def _contents(self) -> None:
        """Tables of contents, of figures and of tables, each a field whose entries are already written."""
        self._front(CONTENTS)
        entries = [(self.anchors[n.name], n.heading, f"toc {n.level}") for n in self.memoire.plan if n.level <= 3]
        self._entries(r'TOC \o "1-3" \h \z \u', entries)
        for label, title in LISTS.items():
            told = [
                (caption.anchor, f"{caption.named} – {caption.title}", "table of figures")
                for caption in self.captions.values()
                if caption.label == label
            ]
            if told:
                self._front(title, new_page=False)
                self._entries(rf'TOC \h \z \c "{label}"', told)

    def _entries(self, instruction: str, entries: Sequence[tuple[str, str, str]]) -> None:
        """(bookmark, text, style) of each entry, with its page where it is known."""
        dirty = self.layout.pages is None
        line = None
        for anchor, text, style in entries:
            first = line is None
            line = self._line(style)
            if first:
                ooxml.begin_field(line._p, instruction, dirty=dirty)
            target = ooxml.link(line._p, anchor)
            ooxml.run(target, f"{text}\t")
            ooxml.field(target, rf"PAGEREF {anchor} \h", self._page(anchor))
        if line is not None:
            ooxml.end_field(line._p)

    def _page(self, anchor: str) -> str:
        return str(self.layout.pages[anchor]) if self.layout.pages and anchor in self.layout.pages else ""

    def _to_complete(self) -> None:
        found, weak = gaps(self.memoire), unengaged(self.memoire)
        if found:
            self._front(TO_COMPLETE)
        for section, paragraph in found:
            line = self._line("List Bullet")
            target = ooxml.link(line._p, self.answers[paragraph.id])
            ooxml.run(target, f"{section.number} {section.title}")
            line.add_run("\u00a0: ")
            self._styled(line, paragraph.gap or "", "À compléter")
        if weak:
            self._front(UNENGAGED, new_page=not found)
            self._line("Normal").add_run(typeset(UNENGAGED_NOTE))
        for text in weak:
            self._line("List Bullet").add_run(text)

    # --- the plan ------------------------------------------------------------------------------------------

    def _node(self, position: int, node: PlanNode) -> None:
        memoire = self.memoire
        self._heading(position, node)
        section = section_of(memoire, node)
        if section is not None:
            self._body(section)
            for what, item in referred(memoire, section):
                self._referral(what, item)
            for figure in figures_of(memoire, section):
                self._figure(figure)
            for table in tables_of(memoire, section):
                self._caption(table)
                self._table(columns(table), [cells(table, row, self.numbered) for row in table.rows])
        elif is_leaf(memoire, node):
            self._styled(self._line("Normal"), typeset(TO_DRAFT), "À compléter")
        chapter = chapter_end(memoire, position)
        rows = requirement_rows(memoire, chapter)
        if chapter and rows:
            self._caption(chapter)
            self._requirements(rows)

    def _heading(self, position: int, node: PlanNode) -> None:
        title = self._line(f"Heading {min(node.level, 9)}")
        numbered = self.levels is not None and bool(node.prefix)
        words = title.add_run(node.title if numbered else node.heading)
        if self.levels and not numbered:
            properties = title._p.get_or_add_pPr().get_or_add_numPr()
            properties.get_or_add_ilvl().val = 0
            properties.get_or_add_numId().val = 0
        title.paragraph_format.page_break_before = node.level == 1 or position == 0 or None
        self._bookmark(words._r, words._r, self.anchors[node.name])

    def _body(self, section: Section) -> None:
        part, point = None, None
        for paragraph in section.paragraphs:
            asked = section.brief.points[paragraph.point] if paragraph.point is not None else None
            if asked and asked.part and asked.part != part:
                self._line("Partie").add_run(asked.part)
                part = asked.part
            if asked and asked != point:
                self._line("Point").add_run(point_title(asked))
                point = asked
            if paragraph.gap:
                line = self._line("Normal")
                words = self._styled(line, paragraph.gap, "À compléter")
                if not paragraph.sentences:
                    self._bookmark(words, words, self.answers[paragraph.id])
            if paragraph.rows:
                self._table(paragraph.rows[0], paragraph.rows[1:])
            if paragraph.sentences:
                self._paragraph(paragraph)

    def _paragraph(self, paragraph: Paragraph) -> None:
        line = self._line("List Bullet" if paragraph.item else "Normal")
        if paragraph.distinction:
            self._styled(line, f"{paragraph.distinction}. ", "Distinction")
        for position, sentence in enumerate(paragraph.sentences):
            words = line.add_run((" " if position else "") + sentence.text)
            if sentence.claim == "asked":
                words._r.style = self.styles["Demandé"]
            self._cite(line, self.numbered.marks(sentence))
        items = [item for item in answering(self.memoire, paragraph) if item.id in self.requirements]
        if items:
            ooxml.run(line._p, " Répond à ", self.styles["Renvoi"])
        for n, item in enumerate(items):
            if n:
                ooxml.run(line._p, " et " if n == len(items) - 1 else ", ", self.styles["Renvoi"])
            self._refer(line, self.requirements[item.id], item.id)
            ooxml.run(line._p, f" (p.\u00a0{item.page})" if item.page is not None else "", self.styles["Renvoi"])
        if items:
            ooxml.run(line._p, ".", self.styles["Renvoi"])
        runs = [child for child in line._p if child.tag != qn("w:pPr")]
        self._bookmark(runs[0], runs[-1], self.answers[paragraph.id])

    def _cite(self, line: WordParagraph, mark: str) -> None:
        """« [3, 5-9] » as links to the list of sources, or as one footnote."""
        if not mark:
            return
        if self.layout.citations == "footnotes":
            self._footnote(line, " ; ".join(place(self.numbered.passages[number - 1]) for number in _numbers(mark)))
            return
        ooxml.run(line._p, "\u00a0[", self.styles["Renvoi"])
        rest = mark[1:-1]
        for piece in re.split(r"(\d+)", rest):
            if piece.isdigit():
                ooxml.run(ooxml.link(line._p, f"source{piece}"), piece, self.styles["Renvoi"])
            elif piece:
                ooxml.run(line._p, piece, self.styles["Renvoi"])
        ooxml.run(line._p, "]", self.styles["Renvoi"])

    def _footnote(self, line: WordParagraph, text: str) -> None:
        """A note in the template's own styles: docx-plus names the English ones."""
        note = add_footnote(line, typeset(f"{text}."), id_registry=self.notes)
        for style in (*line._p.r_lst[-1].iter(qn("w:rStyle")), *note.body_element.iter(qn("w:rStyle"))):
            style.set(qn("w:val"), self.styles["footnote reference"])
        for style in note.body_element.iter(qn("w:pStyle")):
            style.set(qn("w:val"), self.styles["footnote text"])

    def _referral(self, what: str, item: Figure | Table) -> None:
        """« Voir le tableau 3 « … », section 1.3. »"""
        caption = self.caption_of[id(item)]
        line = self._line("Normal")
        line.add_run(f"Voir {what} ")
        self._refer(line, f"{caption.anchor}n", str(caption.number), None)
        line.add_run(f" {typeset(f'« {item.title} », section')} ")
        self._section_number(line, item.section)
        line.add_run(".")

    def _section_number(self, line: WordParagraph, name: str, style: str | None = None) -> None:
        """The number of a section, live where Word counts it."""
        node = next((node for node in self.memoire.plan if node.name == name), None)
        if node is None:
            line.add_run(name)
        elif self.levels and node.prefix:
            ooxml.field(line._p, rf"REF {self.anchors[name]} \r \h", node.prefix, style)
        else:
            ooxml.run(ooxml.link(line._p, self.anchors[name]), name, style)

    def _figure(self, figure: Figure) -> None:
        """A picture as wide as the text, with its text for those who do not see it, and its caption below."""
        line = self._line("Normal")
        line.paragraph_format.keep_with_next = True
        line.add_run().add_picture(io.BytesIO(to_png(figure)), width=self.width)
        line._p.xpath(".//wp:docPr")[0].set("descr", typeset(figure.alt))
        self._caption(figure, self.numbered.of(figure))

    def _caption(self, item: Figure | Table | PlanNode, mark: str = "") -> None:
        """« Tableau n – title », numbered by a field; a table's stands above it, a figure's below."""
        caption = self.caption_of[id(item)]
        line = self._line("Caption")
        line.paragraph_format.keep_with_next = caption.label == "Tableau"
        words = line.add_run(f"{caption.label}\u00a0")
        first, last = ooxml.field(line._p, rf"SEQ {caption.label} \* ARABIC", str(caption.number))
        self._bookmark(words._r, last, caption.anchor)
        self._bookmark(first, last, f"{caption.anchor}n")
        line.add_run(f" – {caption.title}")
        self._cite(line, mark)

    # --- tables --------------------------------------------------------------------------------------------

    def _requirements(self, rows: Sequence[Compliance]) -> None:
        """Requirements of a chapter: the identifier is what paragraphs point at, and the row points back."""
        printed = [requirement_cells(row, self.numbered) for row in rows]
        table = self._table(REQUIREMENTS_HEADER, printed, skip=(0, 2))
        for line, row in zip(table.rows[1:], rows, strict=True):
            head = line.cells[0].paragraphs[0]
            words = head.add_run(row.requirement.id)
            self._bookmark(words._r, words._r, self.requirements[row.requirement.id])
            answer = line.cells[2].paragraphs[0]
            self._section_number(answer, row.section)
            answer.add_run("\u00a0: ")
            target = self.answers.get(row.paragraph or "")
            ooxml.run(ooxml.link(answer._p, target) if target else answer._p, row.answer.text if row.answer else "—")

    def _table(self, header: Sequence[str], rows: Sequence[Sequence[str]], skip: Sequence[int] = ()) -> Any:
        """A ruled table over the page's width: the header on every page, no row cut, columns as wide as their text.
        Columns of ``skip`` are left for the caller to fill."""
        own = TABLE_STYLE in self.document.styles
        table = self.document.add_table(rows=1, cols=len(header), style=TABLE_STYLE if own else "Table Grid")
        table.autofit = False
        for row in (header, *rows):
            line = table.rows[0] if row is header else table.add_row()
            properties = line._tr.get_or_add_trPr()
            properties.append(ooxml.element("cantSplit"))
            if row is header:
                properties.append(ooxml.element("tblHeader"))
            for column, (cell, text) in enumerate(zip(line.cells, row, strict=True)):
                paragraph = cell.paragraphs[0]
                paragraph._p.style = self.styles["Tableau en-tête" if row is header else "Tableau texte"]
                if row is header or column not in skip:
                    self._cell(paragraph, text)
                if row is header and not own:
                    cell._tc.get_or_add_tcPr().append(ooxml.element("shd", val="clear", color="auto", fill="E9EEF5"))
        for column, width in zip(table.columns, _widths(header, rows, self.width, self.table_points), strict=True):
            column.width = width  # LibreOffice believes the grid, Word the cells
            for cell in column.cells:
                cell.width = width
        self._line("Normal").paragraph_format.space_after = Length(0)
        return table

    def _cell(self, paragraph: WordParagraph, text: str) -> None:
        """A cell's text, its citations live."""
        if _MARK.fullmatch(text.strip()):
            self._cite(paragraph, text.strip())
        else:
            paragraph.add_run(text)

    # --- what stands after the plan ------------------------------------------------------------------------

    def _annexes(self) -> None:
        if self.memoire.compliance:
            self._front(MATRIX)
            table = self._table(MATRIX_HEADER, [matrix_row(row) for row in self.memoire.compliance], skip=(0, 3))
            for line, row in zip(table.rows[1:], self.memoire.compliance, strict=True):
                identifier, where = line.cells[0].paragraphs[0], line.cells[3].paragraphs[0]
                if row.requirement.id in self.requirements:
                    ooxml.run(ooxml.link(identifier._p, self.requirements[row.requirement.id]), row.requirement.id)
                    self._section_number(where, row.section)
                else:
                    identifier.add_run(row.requirement.id)
                    where.add_run(matrix_row(row)[3])
        terms = glossary(self.memoire)
        if terms:
            self._front(GLOSSARY)
            self._table(GLOSSARY_HEADER, terms)
        if self.numbered.passages:
            self._front(SOURCES)
        for number, passage in enumerate(self.numbered.passages, start=1):
            line = self._line("Source")
            line.paragraph_format.left_indent, line.paragraph_format.first_line_indent = Cm(0.9), Cm(-0.9)
            words = line.add_run(f"[{number}] ")
            words.bold = True
            self._bookmark(words._r, words._r, f"source{number}")
            line.add_run(typeset(place(passage)))

    # --- small things --------------------------------------------------------------------------------------

    def _line(self, style: str) -> WordParagraph:
        line = self.document.add_paragraph()
        line._p.style = self.styles[style]  # python-docx looks a style up by name among all of them, each time
        return line

    def _front(self, title: str, *, new_page: bool = True) -> None:
        """A title the tool adds around the buyer's plan, in a style of its own: it is no heading of the plan."""
        line = self._line("Titre liminaire")
        line.add_run(title)
        line.paragraph_format.page_break_before = new_page or None

    def _styled(self, line: WordParagraph, text: str, style: str) -> Any:
        words = line.add_run(text)
        words._r.style = self.styles[style]
        return words._r

    def _refer(self, line: WordParagraph, anchor: str, shown: str, style: str | None = "Renvoi") -> None:
        """What a bookmark holds, live."""
        ooxml.field(line._p, rf"REF {anchor} \h", shown, self.styles.get(style or ""))

    def _bookmark(self, first: Any, last: Any, name: str) -> None:
        self.marks += 1
        ooxml.bookmark(first, last, name, self.marks)


@dataclass(frozen=True)
class _Caption:
    """A numbered caption; ``item`` is what it names (a chapter for the table of its requirements)."""

    item: Figure | Table | PlanNode
    label: str
    number: int
    title: str

    @property
    def anchor(self) -> str:
        return f"{self.label.lower()}{self.number}"

    @property
    def named(self) -> str:
        return f"{self.label}\u00a0{self.number}"


def _captions(memoire: Memoire) -> Iterator[_Caption]:
    """In the order of the document."""
    count = {"Figure": 0, "Tableau": 0}

    def made(item: Figure | Table | PlanNode, label: str, title: str) -> _Caption:
        count[label] += 1
        return _Caption(item, label, count[label], typeset(title))

    for position, node in enumerate(memoire.plan):
        section = section_of(memoire, node)
        if section is not None:
            yield from (made(figure, "Figure", figure.title) for figure in figures_of(memoire, section))
            yield from (made(table, "Tableau", table.title) for table in tables_of(memoire, section))
        chapter = chapter_end(memoire, position)
        if chapter and requirement_rows(memoire, chapter):
            yield made(chapter, "Tableau", requirements_title(chapter))


def _numbers(mark: str) -> list[int]:
    """« [3, 5-7] » as 3, 5, 6, 7."""
    found: list[int] = []
    for piece in mark.strip("[]").split(","):
        first, _, last = piece.strip().partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]], width: Length, points: float) -> list[Length]:
    """Columns sharing the page's width by a power of their text's typical length, none under its longest word while the
    page has room for that: of a few powers, the one that makes the table shortest. ``points``: size of its text."""
    columns = list(zip(header, *rows, strict=True))
    letter = 0.185 * points / 8.5
    floor = [min(letter * max(map(len, re.split(r"[\s\-]+", " ".join(column)))) + 0.5, 3.5) for column in columns]
    while sum(floor) > width.cm:  # the widest give way: a narrow column would break its only word
        floor = [min(least, max(floor) - 0.1) for least in floor]
    shares = [[_typical(column) ** power for column in columns] for power in (0.5, 0.7, 0.9)]
    tried = [_shared(wanted, floor, width.cm) for wanted in shares]
    return [Cm(wide) for wide in min(tried, key=lambda wides: _lines(wides, rows, points))]


def _shared(wanted: Sequence[float], floor: Sequence[float], room: float) -> list[float]:
    """The room in proportion to ``wanted``; a column whose share is under its floor takes that, the others the rest."""
    narrow: set[int] = set()
    while True:
        left = room - sum(floor[i] for i in narrow)
        total = sum(share for i, share in enumerate(wanted) if i not in narrow)
        short = {i for i, share in enumerate(wanted) if i not in narrow and left * share / total < floor[i]}
        if not short:
            return [floor[i] if i in narrow else left * share / total for i, share in enumerate(wanted)]
        narrow |= short


def _lines(wides: Sequence[float], rows: Sequence[Sequence[str]], points: float) -> float:
    """About how many lines the rows take: 6 characters a centimetre at 8.5 points, less the cell's margins."""
    dense = 6 * 8.5 / points
    return sum(
        max(-(-len(text) // max(1, int((w - 0.4) * dense))) for w, text in zip(wides, row, strict=True)) for row in rows
    )


def _typical(column: Sequence[str]) -> float:
    """Mean length of the longer half of a column's cells: empty ones take no room from those that speak."""
    lengths = sorted(map(len, column), reverse=True)[: (len(column) + 1) // 2]
    return max(sum(lengths) / len(lengths), 1.0)

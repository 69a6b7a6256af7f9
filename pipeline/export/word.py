"""Memoire -> DOCX: the buyer's headings as real heading styles, citations, list of sources, gaps in front."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import docx
from docx.document import Document as WordDocument
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_COLOR_INDEX
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Length, Pt, RGBColor
from docx.text.paragraph import Paragraph as WordParagraph

from pipeline.export import (
    GLOSSARY,
    GLOSSARY_HEADER,
    MATRIX,
    MATRIX_HEADER,
    NOTICE,
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
    place,
    point_title,
    referred,
    requirement_rows,
    requirements_title,
    section_of,
    sources,
    tables_of,
    unengaged,
)
from pipeline.export.figures import to_png
from pipeline.french import typeset
from pipeline.records import Figure, Memoire, Section

FONT = "Liberation Sans"
TEXT_WIDTH = 16.4
"""Centimetres between the margins of an A4 page."""
INK = RGBColor(0x1F, 0x3A, 0x5F)
PROPERTY_CHARS = 255
"""Longest document property (ECMA-376 part 2, as python-docx enforces it)."""
FRONT_MATTER = ("Table des matières", "Points à compléter", "Liste des sources")
"""Titles the tool adds around the buyer's plan; set in a style of their own, so they are no headings of the plan."""


def to_docx(memoire: Memoire) -> bytes:
    """The document as bytes: write them whole with :func:`pipeline.run.export`."""
    document = docx.Document()
    _styles(document)
    numbered = sources(memoire)
    _footer(document, memoire)
    _cover(document, memoire)
    _contents(document, memoire)
    _to_complete(document, memoire)
    document.add_page_break()  # type: ignore[no-untyped-call]
    for position, node in enumerate(memoire.plan):
        title = document.add_heading(node.heading, level=min(node.level, 9))
        title.paragraph_format.page_break_before = node.level == 1 and position > 0
        section = section_of(memoire, node)
        if section is not None:
            _body(document, memoire, section, numbered)
            for text in referred(memoire, section):
                document.add_paragraph(text)
            for figure in figures_of(memoire, section):
                _figure(document, figure, numbered)
            for table in tables_of(memoire, section):
                _caption(document, table.title)
                _table(document, columns(table), [cells(table, row, numbered) for row in table.rows])
        elif is_leaf(memoire, node):
            _highlight(document.add_paragraph(), typeset(TO_DRAFT))
        chapter = chapter_end(memoire, position)
        rows = requirement_rows(memoire, chapter, numbered) if chapter else []
        if chapter and rows:
            _caption(document, typeset(requirements_title(chapter)))
            _table(document, REQUIREMENTS_HEADER, rows)
    if memoire.compliance:
        document.add_page_break()  # type: ignore[no-untyped-call]
        document.add_paragraph(MATRIX, style="Titre liminaire")
        _table(document, MATRIX_HEADER, [matrix_row(row) for row in memoire.compliance])
    terms = glossary(memoire)
    if terms:
        document.add_paragraph(GLOSSARY, style="Titre liminaire").paragraph_format.page_break_before = True
        _table(document, GLOSSARY_HEADER, terms)
    _sources(document, numbered)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def _footer(document: WordDocument, memoire: Memoire) -> None:
    """Reference and page number at the foot of every page but the cover."""
    section = document.sections[0]
    section.different_first_page_header_footer = True
    line = section.footer.paragraphs[0]
    line.alignment = WD_ALIGN_PARAGRAPH.CENTER
    line.add_run(f"{memoire.reference} – p. " if memoire.reference else "p. ").font.size = Pt(8)
    _field(line, "begin")
    _instruct(line, "PAGE")
    _field(line, "end")


def _styles(document: WordDocument) -> None:
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.3)
    page.top_margin = page.bottom_margin = Cm(2.2)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(10.5)
    normal.paragraph_format.space_after = Pt(6)
    normal.paragraph_format.line_spacing = 1.15
    _language(normal.element.get_or_add_rPr())
    for level, size in ((1, 16), (2, 13), (3, 11.5)):
        style = document.styles[f"Heading {level}"]
        style.font.name, style.font.size, style.font.color.rgb = FONT, Pt(size), INK
        style.element.rPr.rFonts.set(qn("w:ascii"), FONT)
        style.element.rPr.rFonts.set(qn("w:hAnsi"), FONT)
        for attribute in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            style.element.rPr.rFonts.attrib.pop(qn(f"w:{attribute}"), None)
        style.paragraph_format.space_before, style.paragraph_format.space_after = Pt(14), Pt(6)
    for name, size, bold in (
        ("Point", 10.5, True),
        ("Partie", 11, True),
        ("Titre liminaire", 15, True),
        ("Source", 9, False),
    ):
        style = document.styles.add_style(name, 1)
        style.base_style = normal
        style.font.size, style.font.bold = Pt(size), bold
        style.paragraph_format.keep_with_next = bold
        if bold:
            style.font.color.rgb = INK
    document.core_properties.language = "fr-FR"


def _language(properties: object) -> None:
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "fr-FR")
    properties.append(language)  # type: ignore[attr-defined]


def _cover(document: WordDocument, memoire: Memoire) -> None:
    document.core_properties.title = f"{memoire.kind} – {memoire.title}"[:PROPERTY_CHARS]
    document.core_properties.comments = NOTICE[:PROPERTY_CHARS]
    document.core_properties.author = ""
    for _ in range(6):
        document.add_paragraph()
    title = document.add_paragraph()
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    run = title.add_run(typeset(memoire.kind))
    run.font.size, run.font.bold, run.font.color.rgb = Pt(30), True, INK
    for text, size in (
        (memoire.title, 14),
        (memoire.buyer or "", 12),
        (f"Référence : {memoire.reference}" if memoire.reference else "", 11),
    ):
        if text:
            line = document.add_paragraph()
            line.alignment = WD_ALIGN_PARAGRAPH.CENTER
            line.add_run(typeset(text)).font.size = Pt(size)
    for _ in range(4):
        document.add_paragraph()
    notice = document.add_paragraph()
    notice.alignment = WD_ALIGN_PARAGRAPH.CENTER
    run = notice.add_run(typeset(NOTICE))
    run.italic, run.font.size = True, Pt(9)
    document.add_page_break()  # type: ignore[no-untyped-call]


def _contents(document: WordDocument, memoire: Memoire) -> None:
    """A contents field whose entries are already written: readable as it is, brought up to date by Word."""
    document.add_paragraph(FRONT_MATTER[0], style="Titre liminaire")
    first = document.add_paragraph()
    _field(first, "begin")
    _instruct(first, r'TOC \o "1-3" \h \z \u')
    _field(first, "separate")
    line = first
    for position, node in enumerate(memoire.plan):
        line = first if position == 0 else document.add_paragraph()
        line.paragraph_format.left_indent = Cm(0.8 * (node.level - 1))
        line.paragraph_format.space_after = Pt(2)
        line.add_run(node.heading).bold = node.level == 1
    _field(line, "end")


def _field(paragraph: WordParagraph, kind: str) -> None:
    run = paragraph.add_run()
    character = OxmlElement("w:fldChar")
    character.set(qn("w:fldCharType"), kind)
    if kind == "begin":
        character.set(qn("w:dirty"), "true")
    run._r.append(character)


def _instruct(paragraph: WordParagraph, instruction: str) -> None:
    """What a field computes, between its beginning and its end."""
    text = OxmlElement("w:instrText")
    text.set(qn("xml:space"), "preserve")
    text.text = f" {instruction} "
    paragraph.add_run()._r.append(text)


def _to_complete(document: WordDocument, memoire: Memoire) -> None:
    found, weak = gaps(memoire), unengaged(memoire)
    if found or weak:
        document.add_page_break()  # type: ignore[no-untyped-call]
    if found:
        document.add_paragraph(FRONT_MATTER[1], style="Titre liminaire")
    for section, paragraph in found:
        line = document.add_paragraph(style="List Bullet")
        line.add_run(f"{section.number} {section.title} : ")
        _highlight(line, paragraph.gap or "")
    if weak:
        document.add_paragraph(UNENGAGED, style="Titre liminaire")
        document.add_paragraph(typeset(UNENGAGED_NOTE))
    for text in weak:
        document.add_paragraph(text, style="List Bullet")


def _body(document: WordDocument, memoire: Memoire, section: Section, numbered: Sources) -> None:
    part, point = None, None
    for paragraph in section.paragraphs:
        asked = section.brief.points[paragraph.point] if paragraph.point is not None else None
        if asked and asked.part and asked.part != part:
            document.add_paragraph(asked.part, style="Partie")
            part = asked.part
        if asked and asked != point:
            document.add_paragraph(point_title(asked), style="Point")
            point = asked
        if paragraph.gap:
            _highlight(document.add_paragraph(), paragraph.gap)
        if paragraph.rows:
            _table(document, paragraph.rows[0], paragraph.rows[1:])
        if not paragraph.sentences:
            continue
        line = document.add_paragraph(style="List Bullet" if paragraph.item else None)
        if paragraph.distinction:
            label = line.add_run(f"{paragraph.distinction}. ")
            label.bold, label.font.color.rgb = True, INK
        for position, sentence in enumerate(paragraph.sentences):
            line.add_run((" " if position else "") + sentence.text).italic = sentence.claim == "asked"
            if marks := numbered.marks(sentence):
                _small(line, f"\u00a0{marks}")
        links = answered(memoire, paragraph)
        if links:
            _small(line, f" {links}")


def _small(line: WordParagraph, text: str) -> None:
    """A mark beside the text: sources, requirements."""
    run = line.add_run(text)
    run.font.size = Pt(8)
    run.font.color.rgb = RGBColor(0x55, 0x55, 0x55)


def _figure(document: WordDocument, figure: Figure, numbered: Sources) -> None:
    """A picture as wide as the text, with its text for those who do not see it, and its caption below."""
    line = document.add_paragraph()
    line.paragraph_format.keep_with_next = True
    line.add_run().add_picture(io.BytesIO(to_png(figure)), width=Cm(TEXT_WIDTH))
    line._p.xpath(".//wp:docPr")[0].set("descr", typeset(figure.alt))
    _caption(document, f"{typeset(figure.title)} {numbered.of(figure)}".strip(), "Figure")


def _caption(document: WordDocument, title: str, label: str = "Tableau") -> None:
    """« Tableau n – title », numbered by a field; a table's stands above it, a figure's below."""
    line = document.add_paragraph(style="Caption")
    line.paragraph_format.keep_with_next = label == "Tableau"
    line.add_run(f"{label}\u00a0")
    _field(line, "begin")
    _instruct(line, rf"SEQ {label} \* ARABIC")
    _field(line, "separate")
    line.add_run(str(sum(p.text.startswith(f"{label}\u00a0") for p in document.paragraphs)))
    _field(line, "end")
    line.add_run(f" – {title}")


def _table(document: WordDocument, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A ruled table over the page's width: the header on every page, no row cut, columns as wide as their text."""
    table = document.add_table(rows=1, cols=len(header), style="Table Grid")
    table.autofit = False
    for row in (header, *rows):
        line = table.rows[0] if row is header else table.add_row()
        properties = line._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if row is header:
            properties.append(OxmlElement("w:tblHeader"))
        for cell, text in zip(line.cells, row, strict=True):
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.space_after = Pt(2)
            paragraph.paragraph_format.line_spacing = 1.0
            run = paragraph.add_run(text)
            run.font.size = Pt(8.5)
            if row is header:
                run.bold = True
                shade = OxmlElement("w:shd")
                shade.set(qn("w:val"), "clear")
                shade.set(qn("w:fill"), "E9EEF5")
                cell._tc.get_or_add_tcPr().append(shade)
    for column, width in zip(table.columns, _widths(header, rows), strict=True):
        column.width = width  # LibreOffice believes the grid, Word the cells
        for cell in column.cells:
            cell.width = width
    document.add_paragraph().paragraph_format.space_after = Pt(4)


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Length]:
    """Columns sharing the page's width by their text's typical length, the long ones a little less; none under its
    longest word."""
    least = [
        max(len(word) for text in column for word in re.split(r"[\s\-]+", text))
        for column in zip(header, *rows, strict=True)
    ]
    wanted = [_typical(column) ** 0.5 for column in zip(header, *rows, strict=True)]
    floor = [min(0.185 * letters + 0.5, 3.5) for letters in least]
    narrow: set[int] = set()
    while True:  # a column whose share is under its longest word takes that word's width; the others share the rest
        left = TEXT_WIDTH - sum(floor[i] for i in narrow)
        total = sum(share for i, share in enumerate(wanted) if i not in narrow)
        short = {i for i, share in enumerate(wanted) if i not in narrow and left * share / total < floor[i]}
        if not short:
            break
        narrow |= short
    return [Cm(floor[i] if i in narrow else left * share / total) for i, share in enumerate(wanted)]


def _typical(column: Sequence[str]) -> float:
    """Mean length of the longer half of a column's cells: empty ones take no room from those that speak."""
    lengths = sorted(map(len, column), reverse=True)[: (len(column) + 1) // 2]
    return max(sum(lengths) / len(lengths), 1.0)


def _highlight(paragraph: WordParagraph, text: str) -> None:
    run = paragraph.add_run(text)
    run.font.highlight_color = WD_COLOR_INDEX.YELLOW
    run.bold = True


def _sources(document: WordDocument, numbered: Sources) -> None:
    if not numbered.passages:
        return
    document.add_page_break()  # type: ignore[no-untyped-call]
    document.add_paragraph(FRONT_MATTER[2], style="Titre liminaire")
    for number, passage in enumerate(numbered.passages, start=1):
        line = document.add_paragraph(style="Source")
        line.paragraph_format.left_indent, line.paragraph_format.first_line_indent = Cm(0.9), Cm(-0.9)
        line.add_run(f"[{number}] ").bold = True
        line.add_run(typeset(place(passage)))

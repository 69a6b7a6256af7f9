"""The Word template: the firm's own, or the one shipped, which ``memoire template`` writes for a firm to make its own.

A template is an ordinary .docx. Its page, styles, headers, footers and logo are used as they are. Its text is the
cover: « {{objet}} » and the like (:data:`FIELDS`) are filled in, and the document follows, or takes the place of a
paragraph « {{contenu}} » where a back cover comes after it. Styles it lacks are added.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docx
from docx.document import Document as WordDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml.ns import qn
from docx.shared import Cm, Length, Pt, RGBColor
from docx.text.paragraph import Paragraph

from pipeline.errors import DocumentError
from pipeline.export.fields import element, field
from pipeline.readers.docx import read_docx

FONT = "Liberation Sans"
INK = RGBColor(0x1F, 0x3A, 0x5F)
GREY = RGBColor(0x55, 0x55, 0x55)
FIELDS = ("titre", "objet", "acheteur", "reference", "date", "mention")
"""What a template may ask for: kind of document, object of the contract, buyer, reference, day of the export, and the
notice that the text was drafted with a machine's help."""
CONTENT = "{{contenu}}"
TABLE_STYLE = "Tableau mémoire"
"""A firm that wants its own tables gives its table style this name."""
_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class _Style:
    """A style of the document; what is ``None`` or false is inherited."""

    name: str
    size: float | None = None
    bold: bool = False
    italic: bool = False
    colour: RGBColor | None = None
    before: float = 0
    after: float | None = None
    next: bool = False
    """Kept on the page of what follows."""


HEADINGS = tuple(
    _Style(f"Heading {level}", size, True, False, INK, 14, 6, True)
    for level, size in enumerate((16, 13, 11.5, 10.5, 10.5, 10.5, 10.5, 10.5, 10.5), start=1)
)
PARAGRAPHS = (
    _Style("Point", 10.5, True, colour=INK, before=4, next=True),
    _Style("Partie", 11, True, colour=INK, before=6, next=True),
    _Style("Titre liminaire", 15, True, colour=INK, before=14, after=8, next=True),
    _Style("Source", 9, after=3),
    _Style("Tableau texte", 8.5, after=2),
    _Style("Tableau en-tête", 8.5, True, after=2),
    _Style("List Bullet"),
    _Style("Caption", 9, True, colour=INK, before=8, after=4),
    _Style("toc 1", 10.5, True, before=4, after=2),
    _Style("toc 2", 10, after=2),
    _Style("toc 3", 9.5, after=2),
    _Style("table of figures", 10, after=2),
    _Style("footnote text", 8.5, after=0),
)
CHARACTERS = (
    _Style("Renvoi", 8, colour=GREY),
    _Style("Demandé", italic=True),
    _Style("Distinction", bold=True, colour=INK),
    _Style("À compléter", bold=True),
    _Style("footnote reference"),
)


def shipped() -> bytes:
    """The template that is used where a firm gives none, for it to make its own."""
    document = opened(None)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def opened(path: Path | None) -> WordDocument:
    """The template, every style it needs in it; the shipped one where none is given. Raises DocumentError."""
    if path is None:
        document = _shipped()
    else:
        if not path.is_file():
            raise DocumentError("Modèle Word introuvable", where=path, remedy="Corrigez le réglage export.template.")
        read_docx(path.read_bytes(), path.name)  # refuses what is not a sound Word file, with one clear line
        document = docx.Document(str(path))
    _complete(document)
    return document


def fill(document: WordDocument, values: Mapping[str, str]) -> bool:
    """Put values in the place of « {{name}} » on the cover, in headers and footers; a line of the cover that asks for
    nothing known goes. Returns whether the notice was asked for. Raises DocumentError where the template asks for what
    does not exist."""
    told = False
    for paragraph in list(_paragraphs(document)):
        text = "".join(node.text or "" for node in paragraph.iter(qn("w:t")))
        names = _FIELD.findall(text)
        if not names or text.strip() == CONTENT:
            continue
        unknown = [name for name in names if name not in FIELDS]
        if unknown:
            raise DocumentError(
                f"Le modèle Word demande « {{{{{unknown[0]}}}}} », qui n'existe pas",
                remedy=f"Champs connus : {', '.join(FIELDS)}, contenu.",
            )
        told = told or "mention" in names
        if paragraph.getparent() is document.element.body and not any(values.get(name) for name in names):
            document.element.body.remove(paragraph)
        else:
            _replace(paragraph, values)
    return told


def content_place(document: WordDocument) -> list[Any]:
    """Take out what follows « {{contenu}} », to be put back after the document; the paragraph itself goes."""
    body = document.element.body
    children = [child for child in body if child.tag != qn("w:sectPr")]
    at = next(
        (
            n
            for n, child in enumerate(children)
            if "".join(t.text or "" for t in child.iter(qn("w:t"))).strip() == CONTENT
        ),
        None,
    )
    if at is None:
        return []
    for child in children[at:]:
        body.remove(child)
    return children[at + 1 :]


def text_width(document: WordDocument) -> Length:
    """Between the margins of the last section."""
    page = document.sections[-1]
    return Length((page.page_width or Cm(21)) - (page.left_margin or 0) - (page.right_margin or 0))


def _paragraphs(document: WordDocument) -> Iterator[Any]:
    yield from document.element.body.iter(qn("w:p"))
    for section in document.sections:
        for part in (section.header, section.first_page_header, section.footer, section.first_page_footer):
            if not part.is_linked_to_previous:
                yield from part._element.iter(qn("w:p"))


def _replace(paragraph: Any, values: Mapping[str, str]) -> None:
    """In the run that holds a name; where Word has cut the name over several, their text joins the first's."""
    nodes = list(paragraph.iter(qn("w:t")))
    if any(_FIELD.sub("", node.text or "").count("{") for node in nodes):
        nodes[0].text = "".join(node.text or "" for node in nodes)
        for node in nodes[1:]:
            node.text = ""
    for node in nodes:
        node.text = _FIELD.sub(lambda match: values.get(match[1], ""), node.text or "")
        node.set(qn("xml:space"), "preserve")


# --- styles ------------------------------------------------------------------------------------------------


def _complete(document: WordDocument) -> None:
    """Add what the template lacks; what it has stays as the firm made it."""
    for style in (*HEADINGS, *PARAGRAPHS):
        if style.name not in document.styles:
            _write(document, style, WD_STYLE_TYPE.PARAGRAPH)
    for style in CHARACTERS:
        if style.name not in document.styles:
            _write(document, style, WD_STYLE_TYPE.CHARACTER)
            made = document.styles[style.name]
            if style.name == "À compléter":
                made.element.get_or_add_rPr().append(element("shd", val="clear", color="auto", fill="FFE98A"))
            if style.name == "footnote reference":
                made.font.superscript = True
    for level in (1, 2, 3):
        _leader(document, f"toc {level}", Cm(0.7 * (level - 1)))
    _leader(document, "table of figures", Cm(0))
    if "Table Grid" not in document.styles and TABLE_STYLE not in document.styles:
        document.styles.add_style(TABLE_STYLE, WD_STYLE_TYPE.TABLE)
    language = document.styles["Normal"].element.get_or_add_rPr()
    if language.find(qn("w:lang")) is None:
        language.append(element("lang", val="fr-FR"))


def _leader(document: WordDocument, name: str, indent: Length) -> None:
    """Entries of contents: the page at the right margin, after dots."""
    shape = document.styles[name].paragraph_format
    if not len(shape.tab_stops):
        shape.tab_stops.add_tab_stop(text_width(document), WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)
        shape.left_indent = indent  # no right indent: LibreOffice then drops the page


def _write(document: WordDocument, style: _Style, kind: WD_STYLE_TYPE) -> None:
    """Create a style, or bring the present one to this look."""
    known = style.name in document.styles
    made = (
        document.styles[style.name] if known else document.styles.add_style(style.name, kind, builtin=_builtin(style))
    )
    made.quick_style = True
    if style.size:
        made.font.size = Pt(style.size)
    if style.bold or style.name.startswith("toc"):
        made.font.bold = style.bold
    if style.italic:
        made.font.italic = True
    if style.colour is not None:
        made.font.color.rgb = style.colour
    if kind == WD_STYLE_TYPE.PARAGRAPH:
        made.base_style = document.styles["Normal"] if not known else made.base_style
        made.paragraph_format.space_before = Pt(style.before)
        if style.after is not None:
            made.paragraph_format.space_after = Pt(style.after)
        made.paragraph_format.keep_with_next = style.next or None
        if style.name.startswith("Tableau"):
            made.paragraph_format.line_spacing = 1.0


def _builtin(style: _Style) -> bool:
    return style.name in ("List Bullet", "Caption", "table of figures", "footnote text", "footnote reference") or (
        style.name.startswith(("Heading", "toc"))
    )


# --- the shipped one ---------------------------------------------------------------------------------------


def _shipped() -> WordDocument:
    """A sober A4 page: cover, numbered foot, one sans-serif face."""
    document = docx.Document()
    _modern(document)
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.3)
    page.top_margin = page.bottom_margin = Cm(2.2)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(10.5)
    normal.paragraph_format.space_after = Pt(6)
    normal.paragraph_format.line_spacing = 1.15
    normal.paragraph_format.widow_control = True
    for style in (*HEADINGS, *(style for style in PARAGRAPHS if style.name in document.styles)):
        _write(document, style, WD_STYLE_TYPE.PARAGRAPH)
        _own_face(document.styles[style.name])
    _cover(document)
    page.different_first_page_header_footer = True
    foot = page.footer.paragraphs[0]
    document.styles["Footer"].paragraph_format.tab_stops.clear_all()
    document.styles["Footer"].font.size = Pt(8)
    foot.paragraph_format.tab_stops.add_tab_stop(text_width(document), WD_TAB_ALIGNMENT.RIGHT)
    foot.add_run("{{reference}}\tPage\u00a0")
    field(foot._p, "PAGE", "1")
    foot.add_run(" sur ")
    field(foot._p, "NUMPAGES", "1")
    return document


def _modern(document: WordDocument) -> None:
    """python-docx starts from a Word 2010 file: without its copy of the styles, in the mode of today's Word."""
    part = document.part
    for name, relation in list(part.rels.items()):
        if relation.reltype.endswith("/stylesWithEffects"):
            part.rels.pop(name)
    settings = document.settings.element
    compat = settings.find(qn("w:compat"))
    if compat is not None:
        for item in list(compat):
            if item.get(qn("w:name")) == "compatibilityMode":
                item.set(qn("w:val"), "15")


def _own_face(style: Any) -> None:
    """The page's face instead of the theme's."""
    faces = style.element.get_or_add_rPr().get_or_add_rFonts()
    for attribute in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        faces.attrib.pop(qn(f"w:{attribute}"), None)
    for attribute in ("ascii", "hAnsi", "cs"):
        faces.set(qn(f"w:{attribute}"), FONT)


def _cover(document: WordDocument) -> None:
    def line(text: str, size: float, *, bold: bool = False, italic: bool = False, before: float = 0) -> Paragraph:
        made = document.add_paragraph()
        made.paragraph_format.space_before, made.paragraph_format.space_after = Pt(before), Pt(10)
        words = made.add_run(text)
        words.font.size, words.font.bold, words.font.italic = Pt(size), bold or None, italic or None
        if bold:
            words.font.color.rgb = INK
        return made

    line("{{acheteur}}", 12, before=90)
    title = line("{{titre}}", 30, bold=True, before=60)
    rule = element("pBdr")
    rule.append(element("bottom", val="single", sz="12", space="10", color="1F3A5F"))
    title._p.get_or_add_pPr().insert_element_before(rule, "w:shd", "w:spacing", "w:ind", "w:jc")
    line("{{objet}}", 15)
    line("Référence : {{reference}}", 11)
    line("{{date}}", 11)
    line("{{mention}}", 9, italic=True, before=200)


def raise_text(document: WordDocument, least: float | None) -> None:
    """Give the styles of the document, and the words already in it, at least ``least`` points: the buyer's rule comes
    before the firm's style."""
    if least is None:
        return
    fonts = [getattr(style, "font", None) for style in document.styles]
    fonts += [run.font for paragraph in document.paragraphs for run in paragraph.runs]
    for font in fonts:
        if font is not None and font.size is not None and font.size < Pt(least):
            font.size = Pt(least)

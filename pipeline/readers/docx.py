"""DOCX: paragraphs, tables, headings through the style chain, automatic numbers computed from numbering.xml.

Word keeps no pages in the file. Where the program that saved it left ``w:lastRenderedPageBreak`` marks (Word and
LibreOffice do), pages are counted from them; elsewhere a block's page is ``None``. Tracked insertions are kept and
deletions dropped, as Word shows the final text. Text boxes and footnotes follow the paragraph that holds or calls them.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import docx
from docx.document import Document as WordDocument
from docx.exceptions import PythonDocxError
from docx.opc.constants import RELATIONSHIP_TYPE as RT
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml
from docx.oxml.exceptions import XmlchemyError
from docx.oxml.ns import qn
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph
from lxml import etree

from pipeline.errors import DocumentError
from pipeline.french import fold_spaces
from pipeline.readers.lines import NUMBERED, is_toc, soft_lines, split_marker
from pipeline.readers.text import table_block
from pipeline.records import Block, Comment

OLE_MAGIC = b"\xd0\xcf\x11\xe0"
"""Compound file: a .doc of before 2007, or an encrypted .docx."""
MAX_HEADING_CHARS = 250
MAX_BOLD_TITLE = 120
MAX_RATIO = 100
"""Uncompressed to compressed size past which the file is taken for a bomb; ordinary Word files stay under 30."""
MAX_UNCOMPRESSED = 1 << 30
MAX_BLOCKS = 200_000
"""Paragraphs and tables; a thousand pages hold about 20,000."""
MAX_SPAN = 63
"""Columns a cell may span: Word's own limit on columns."""
LARGEST_NUMBER = 9999
"""A list that starts higher was made to fill memory with letters."""
_TEXT_BOX = qn("w:txbxContent")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What zipfile raises on damaged packages, as seen in fuzzing."""


def read_docx(data: bytes, name: str) -> tuple[list[Block], int | None]:
    """``(blocks, pages)``; pages is ``None`` where the file has no page marks. Raises DocumentError."""
    _check_package(data, name)
    try:
        document = docx.Document(io.BytesIO(data))
        walker = _Walker(_Numbering(document), _Styles(document), _footnotes(document), _comments(document))
        blocks = list(islice(walker.blocks(document), MAX_BLOCKS + 1))
    except (
        *UNREADABLE,
        PackageNotFoundError,
        PythonDocxError,
        XmlchemyError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise DocumentError(
            "Ce fichier n'est pas un document Word lisible",
            where=name,
            remedy="Ouvrez-le dans un traitement de texte et enregistrez-le de nouveau en DOCX.",
        ) from error
    except etree.LxmlError as error:
        raise DocumentError(
            "Le contenu XML de ce document Word est endommagé",
            where=name,
            remedy="Demandez un exemplaire intact.",
        ) from error
    if len(blocks) > MAX_BLOCKS:
        raise DocumentError(
            "Ce document Word compte un nombre anormal de paragraphes", where=name, remedy="Vérifiez-le."
        )
    if not walker.saw_break:
        return [block.model_copy(update={"page": None}) for block in blocks], None
    return blocks, walker.page


def pictures(data: bytes) -> int:
    """How many different pictures a Word document that can be read holds."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return sum(name.startswith("word/media/") for name in package.namelist())


def _check_package(data: bytes, name: str) -> None:
    if data.startswith(OLE_MAGIC):
        raise DocumentError(
            "Ce fichier est un document Word ancien (.doc) ou chiffré",
            where=name,
            remedy="Enregistrez-le en DOCX sans mot de passe.",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            sizes = [(item.file_size, item.compress_size) for item in package.infolist()]
            names = package.namelist()
            for part in names:
                if part.endswith((".xml", ".rels")) and _declares(package, part):
                    raise DocumentError(
                        "Ce document Word déclare un type de document XML, ce que Word ne fait jamais",
                        where=name,
                        remedy="Vérifiez sa provenance.",
                    )
    except UNREADABLE as error:
        raise DocumentError(
            "Ce fichier .docx n'est pas une archive Word",
            where=name,
            remedy="Ouvrez-le pour vérifier, et enregistrez-le de nouveau en DOCX.",
        ) from error
    if "[Content_Types].xml" not in names:
        raise DocumentError("Cette archive n'est pas un document Word", where=name, remedy="Donnez le DOCX d'origine.")
    full, packed = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    if full > MAX_UNCOMPRESSED or full > MAX_RATIO * max(packed, 1):
        raise DocumentError(
            "Ce document Word se décompresse en un volume anormal",
            where=name,
            remedy="Vérifiez sa provenance.",
        )


def _declares(package: zipfile.ZipFile, part: str) -> bool:
    """Whether a part begins with a document type: the door of entity bombs and of files read from the disk."""
    with package.open(part) as stream:
        return b"<!DOCTYPE" in stream.read(4096)


def _footnotes(document: WordDocument) -> dict[str, str]:
    """The document's footnotes by identifier; separators, which have a type, are none."""
    part = next((rel.target_part for rel in document.part.rels.values() if rel.reltype == RT.FOOTNOTES), None)
    if part is None:
        return {}
    notes = parse_xml(part.blob).findall(qn("w:footnote"))
    return {
        note.get(qn("w:id")): fold_spaces("".join(node.text or "" for node in note.iter(qn("w:t"))))
        for note in notes
        if note.get(qn("w:type"), "normal") == "normal"
    }


def _comments(document: WordDocument) -> dict[str, Comment]:
    """The reviewers' comments by identifier, without what they are about."""
    part = next((rel.target_part for rel in document.part.rels.values() if rel.reltype == RT.COMMENTS), None)
    if part is None:
        return {}
    return {
        node.get(qn("w:id")): Comment(
            author=node.get(qn("w:author"), ""),
            date=node.get(qn("w:date")),
            text="\n".join(fold_spaces("".join(t.text or "" for t in p.iter(qn("w:t")))) for p in node.iter(qn("w:p"))),
        )
        for node in parse_xml(part.blob).findall(qn("w:comment"))
    }


@dataclass
class _Walker:
    """Walks the body in order, counting pages from the rendered breaks."""

    numbering: _Numbering
    styles: _Styles
    footnotes: dict[str, str]
    comments: dict[str, Comment]
    page: int = 1
    first_page: int = 1
    """The page on which the last paragraph read begins."""
    saw_break: bool = False
    unstyled: bool = False
    """Whether no paragraph has the style of a heading: bold titles are then looked for."""

    def blocks(self, document: WordDocument) -> Iterator[Block]:
        self.unstyled = not any(self.styles.heading_level(paragraph) for paragraph in document.paragraphs)
        for item in document.iter_inner_content():
            yield from self._blocks(item)

    def _blocks(self, item: Table | Paragraph) -> Iterator[Block]:
        if isinstance(item, Table):
            rows = self._kept_rows(item)
            if rows:
                comments = tuple(
                    comment.model_copy(update={"row": n})
                    for n, (row, _) in enumerate(rows)
                    for comment in self._comments_in(row)
                )
                yield table_block([cells for _, cells in rows], self.page).model_copy(update={"comments": comments})
            return
        yield from self._paragraph(item)
        yield from self._beside(item)

    def _beside(self, paragraph: Paragraph) -> Iterator[Block]:
        """What a paragraph holds or calls without saying it: its text boxes, then its footnotes."""
        for box in paragraph._p.iter(_TEXT_BOX):
            # Word writes a box twice, as a drawing and as a fallback for older programs; a box in a box comes with it
            if not _within(box, (_FALLBACK, _TEXT_BOX), paragraph._p):
                for node in box:
                    if node.tag == qn("w:p"):
                        yield from self._blocks(Paragraph(node, paragraph._parent))
                    elif node.tag == qn("w:tbl"):
                        yield from self._blocks(Table(node, paragraph._parent))
        for call in paragraph._p.iter(qn("w:footnoteReference")):
            text = self.footnotes.get(call.get(qn("w:id")), "")
            if text and not _within(call, (qn("w:del"), _TEXT_BOX), paragraph._p):
                yield Block(kind="paragraph", text=text, page=self.page, marker="note")

    def _comments_in(self, node: Any) -> Iterator[Comment]:
        """The comments that begin in a paragraph or a row, with the words they are about there."""
        if not self.comments:
            return
        seen: set[str] = set()
        for mark in node.iter(qn("w:commentRangeStart"), qn("w:commentReference")):
            identifier = mark.get(qn("w:id"))
            if identifier in self.comments and identifier not in seen:
                seen.add(identifier)
                quote = _between(mark, node) if mark.tag == qn("w:commentRangeStart") else ""
                yield self.comments[identifier].model_copy(update={"quote": quote})

    def _rows(self, table: Table) -> list[tuple[str, ...]]:
        return [cells for _, cells in self._kept_rows(table)]

    def _kept_rows(self, table: Table) -> list[tuple[Any, tuple[str, ...]]]:
        """The rows that say something: their element and their cells, as many in each."""
        rows: list[tuple[Any, tuple[str, ...]]] = []
        for row in table._tbl.tr_lst:
            # a cell's text stands once: the other columns of its span are empty, as is a cell merged upwards
            cells = [""] * row.grid_before
            for tc in row.tc_lst:
                cells.append("" if tc.vMerge == "continue" else self._cell(_Cell(tc, table)))
                cells += [""] * min(tc.grid_span - 1, MAX_SPAN)
            if any(cells):
                rows.append((row, tuple(cells)))
        width = max((len(cells) for _, cells in rows), default=0)
        return [(row, cells + ("",) * (width - len(cells))) for row, cells in rows]

    def _cell(self, cell: _Cell) -> str:
        parts: list[str] = []
        for item in cell.iter_inner_content():
            if isinstance(item, Table):
                parts.extend(fold_spaces(" ".join(row)) for row in self._rows(item))
            else:
                number = self.numbering.label(item, self.styles)
                # a line break in a cell separates as a paragraph does
                lines = [fold_spaces(line) for line in self._text(item, line_break="\n").split("\n")]
                lines[0] = f"{number} {lines[0]}".strip()
                parts += lines
        return "\n".join(part for part in parts if part)

    def _paragraph(self, paragraph: Paragraph) -> Iterator[Block]:
        """The paragraph's block; several where its writer typed a list with line breaks."""
        lines = [fold_spaces(line) for line in soft_lines(self._text(paragraph, line_break="\n"))]
        if not lines:
            return
        number = self.numbering.label(paragraph, self.styles)
        comments = tuple(self._comments_in(paragraph._p))
        first = self._line(paragraph, lines[0], number)
        yield first.model_copy(update={"comments": comments}) if comments else first
        for text in lines[1:]:
            yield self._line(paragraph, text, "")

    def _line(self, paragraph: Paragraph, text: str, number: str) -> Block:
        page = self.first_page
        level = self.styles.heading_level(paragraph)
        if is_toc(text) or self.styles.is_toc(paragraph):
            return Block(kind="toc", text=text, page=page)
        bold_title = self.unstyled and not level and not number and _reads_as_title(text)
        if bold_title and self.styles.is_bold(paragraph):
            return Block(kind="heading", text=text, page=page, level=0)
        if level and len(text) <= MAX_HEADING_CHARS:
            return Block(kind="heading", text=f"{number} {text}".strip(), page=page, level=level)
        if number:
            depth = self.numbering.depth(paragraph, self.styles) + 1
            return Block(kind="item", text=text, page=page, marker=number, level=depth)
        marker, rest = split_marker(text)
        if marker and rest:
            return Block(kind="item", text=rest, page=page, marker=marker, level=1)
        return Block(kind="paragraph", text=text, page=page)

    def _text(self, paragraph: Paragraph, line_break: str = " ") -> str:
        """The paragraph's final text: insertions in, deletions and field codes out; counts page breaks passed."""
        parts: list[str] = []
        self.first_page = 0
        for node in paragraph._p.iter():
            tag = node.tag
            if tag == qn("w:t") and not self.first_page:
                self.first_page = self.page
            if tag == qn("w:t") and not _within(node, (qn("w:del"), qn("w:moveFrom"), _TEXT_BOX), paragraph._p):
                parts.append(node.text or "")
            elif tag in (qn("w:tab"), qn("w:br"), qn("w:cr")) and node.getparent().tag == qn("w:r"):
                parts.append("\t" if tag == qn("w:tab") else line_break)
            elif tag == qn("w:noBreakHyphen"):
                parts.append("-")
            if tag == qn("w:lastRenderedPageBreak"):
                self.saw_break = True
                self.page += 1
        return "".join(parts).strip(" ")


def _between(start: Any, node: Any) -> str:
    """The final words of ``node`` from the start of a comment's range to its end, or to the end of ``node``."""
    said, open_ = "", False
    for inner in node.iter():
        if inner is start:
            open_ = True
        elif inner.tag == qn("w:commentRangeEnd") and inner.get(qn("w:id")) == start.get(qn("w:id")):
            break
        elif open_ and inner.tag == qn("w:t") and not _within(inner, (qn("w:del"), qn("w:moveFrom")), node):
            said += inner.text or ""
    return fold_spaces(said)


def _within(node: Any, tags: tuple[str, ...], stop: Any) -> bool:
    parent = node.getparent()
    while parent is not None and parent is not stop:
        if parent.tag in tags:
            return True
        parent = parent.getparent()
    return False


def _reads_as_title(text: str) -> bool:
    """A short numbered line, or one in capitals: what a writer without styles sets in bold as a title."""
    letters = [c for c in text if c.isalpha()]
    capitals = sum(c.isupper() for c in letters) > 0.7 * len(letters)
    return 3 < len(text) <= MAX_BOLD_TITLE and text[-1] not in ".;,:" and (capitals or bool(NUMBERED.match(text)))


class _Styles:
    """Outline level and numbering of a paragraph, found through the style chain."""

    def __init__(self, document: WordDocument) -> None:
        self._styles: dict[str, Any] = {
            style.get(qn("w:styleId")): style for style in document.styles.element.findall(qn("w:style"))
        }

    def chain(self, paragraph: Paragraph) -> Iterator[Any]:
        """The paragraph's style and its ancestors, nearest first."""
        properties = paragraph._p.pPr
        identifier = properties.pStyle.val if properties is not None and properties.pStyle is not None else None
        seen: set[str] = set()
        while identifier and identifier not in seen and identifier in self._styles:
            seen.add(identifier)
            style = self._styles[identifier]
            yield style
            based = style.find(qn("w:basedOn"))
            identifier = based.get(qn("w:val")) if based is not None else None

    def heading_level(self, paragraph: Paragraph) -> int:
        """1 to 9, or 0 for text: the paragraph's own outline level, its style's, or a style named as a heading."""
        level = _outline(paragraph._p.pPr)
        if level is not None:
            return level + 1 if level < 9 else 0
        for style in self.chain(paragraph):
            level = _outline(style.find(qn("w:pPr")))
            if level is not None:
                return level + 1 if level < 9 else 0
            match = re.search(r"(?:heading|titre)\s*(\d)", _style_name(style))
            if match:
                return int(match[1])
            if _style_name(style) in ("title", "titre"):
                return 1
        return 0

    def is_bold(self, paragraph: Paragraph) -> bool:
        """Whether all its words are bold, by their own format or by the paragraph's style."""
        styled = next(
            (mark for style in self.chain(paragraph) if (mark := _bold(style.find(qn("w:rPr")))) is not None), False
        )
        runs = [run for run in paragraph._p.iter(qn("w:r")) if any((t.text or "").strip() for t in run.iter(qn("w:t")))]
        return bool(runs) and all(styled if (own := _bold(run.find(qn("w:rPr")))) is None else own for run in runs)

    def is_toc(self, paragraph: Paragraph) -> bool:
        return any(re.match(r"(?:toc|tm|table des mati)", _style_name(style)) for style in self.chain(paragraph))


def _bold(properties: Any) -> bool | None:
    """What run properties say of bold; ``None`` where they say nothing."""
    mark = properties.find(qn("w:b")) if properties is not None else None
    return None if mark is None else mark.get(qn("w:val"), "1") not in ("0", "false", "off")


def _style_name(style: Any) -> str:
    name = style.find(qn("w:name"))
    return str(name.get(qn("w:val"))).lower() if name is not None else ""


def _outline(properties: Any) -> int | None:
    node = properties.find(qn("w:outlineLvl")) if properties is not None else None
    return int(node.get(qn("w:val"))) if node is not None else None


@dataclass
class _Level:
    start: int
    format: str
    text: str


@dataclass
class _Numbering:
    """Automatic numbers as Word computes them (ECMA-376 part 1, §17.9): counters by abstract list and level."""

    document: WordDocument
    _levels: dict[str, dict[int, _Level]] = field(default_factory=dict)
    _abstract: dict[str, str] = field(default_factory=dict)
    _overrides: dict[str, dict[int, int]] = field(default_factory=dict)
    _counters: dict[str, dict[int, int]] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        try:
            root = self.document.part.numbering_part.element
        except (KeyError, NotImplementedError):
            return
        for abstract in root.findall(qn("w:abstractNum")):
            identifier = abstract.get(qn("w:abstractNumId"))
            self._levels[identifier] = {
                int(level.get(qn("w:ilvl"))): _Level(
                    start=int(_value(level, "w:start", "1")),
                    format=_value(level, "w:numFmt", "decimal"),
                    text=_value(level, "w:lvlText", ""),
                )
                for level in abstract.findall(qn("w:lvl"))
            }
        for number in root.findall(qn("w:num")):
            identifier = number.get(qn("w:numId"))
            self._abstract[identifier] = _value(number, "w:abstractNumId", "")
            self._overrides[identifier] = {
                int(item.get(qn("w:ilvl"))): int(_value(item, "w:startOverride", "1"))
                for item in number.findall(qn("w:lvlOverride"))
                if item.find(qn("w:startOverride")) is not None
            }

    def depth(self, paragraph: Paragraph, styles: _Styles) -> int:
        found = self._reference(paragraph, styles)
        return found[1] if found else 0

    def label(self, paragraph: Paragraph, styles: _Styles) -> str:
        """The number or bullet Word would print before the paragraph; advances the counters."""
        found = self._reference(paragraph, styles)
        if not found:
            return ""
        number, depth = found
        abstract = self._abstract.get(number, "")
        level = self._levels.get(abstract, {}).get(depth)
        if level is None:
            return ""
        counters = self._counters.setdefault(abstract, {})
        if number not in self._started:
            self._started.add(number)
            for at, start in self._overrides.get(number, {}).items():
                counters[at] = start - 1
        counters[depth] = counters.get(depth, level.start - 1) + 1
        for deeper in [at for at in counters if at > depth]:
            del counters[deeper]
        if level.format == "bullet":
            return level.text if level.text and not level.text.isspace() and ord(level.text[0]) < 0xE000 else "•"
        if level.format == "none":
            return ""

        def shown(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            of = self._levels[abstract].get(at)
            value = counters.get(at, of.start if of else 1)
            return _formatted(value, of.format if of else "decimal")

        return fold_spaces(re.sub(r"%(\d)", shown, level.text))

    def _reference(self, paragraph: Paragraph, styles: _Styles) -> tuple[str, int] | None:
        own = paragraph._p.pPr.find(qn("w:numPr")) if paragraph._p.pPr is not None else None
        depth: int | None = None
        if own is not None:
            number = _value(own, "w:numId", "")
            depth = int(_value(own, "w:ilvl", "0"))
            if number:
                return (number, depth) if number != "0" else None
        for style in styles.chain(paragraph):
            properties = style.find(qn("w:pPr"))
            found = properties.find(qn("w:numPr")) if properties is not None else None
            if found is not None and _value(found, "w:numId", ""):
                number = _value(found, "w:numId", "")
                if number == "0":
                    return None
                return number, depth if depth is not None else int(_value(found, "w:ilvl", "0"))
        return None


def _value(node: Any, tag: str, default: str) -> str:
    child = node.find(qn(tag))
    return str(child.get(qn("w:val"), default)) if child is not None else default


def _formatted(value: int, how: str) -> str:
    value = min(max(value, 0), LARGEST_NUMBER)
    if value == 0:
        return "0"
    if how in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
        return letter if how == "lowerLetter" else letter.upper()
    if how in ("lowerRoman", "upperRoman"):
        roman = _roman(value)
        return roman.lower() if how == "lowerRoman" else roman
    if how == "decimalZero":
        return f"{value:02d}"
    return str(value)


def _roman(value: int) -> str:
    text = ""
    for amount, letters in (
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        text += letters * (value // amount)
        value %= amount
    return text

"""ODT: paragraphs, tables, headings by outline level, automatic numbers computed from the list and outline styles.

Pages are counted where the program that saved the file left ``text:soft-page-break`` marks: these, and the page breaks
the writer asked for (which get no such mark). Without any mark a block's page is ``None``. Text deleted under change
tracking, comments and footnotes are left out.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import odfdo
from odfdo.security import SecurityError

from pipeline.errors import DocumentError
from pipeline.french import fold_spaces
from pipeline.readers.docx import MAX_HEADING_CHARS, MAX_RATIO, MAX_UNCOMPRESSED, OLE_MAGIC, UNREADABLE, _formatted
from pipeline.readers.lines import is_toc, split_marker
from pipeline.readers.text import table_block
from pipeline.records import Block

TYPES = ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template")
MAX_COLUMNS = 1024
"""Repeated cells and rows are written out up to this number; Writer's own tables stop at some hundred columns."""
MAX_START = 9999
"""A list starts at most here: a larger start in Roman numerals or letters would fill the memory."""

_URN = "urn:oasis:names:tc:opendocument:xmlns:"
_NAMESPACES = {
    "draw": f"{_URN}drawing:1.0",
    "fo": f"{_URN}xsl-fo-compatible:1.0",
    "loext": "urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0",
    "office": f"{_URN}office:1.0",
    "style": f"{_URN}style:1.0",
    "svg": f"{_URN}svg-compatible:1.0",
    "table": f"{_URN}table:1.0",
    "text": f"{_URN}text:1.0",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
_PREFIXES = {uri: prefix for prefix, uri in _NAMESPACES.items()}
_NUMBER_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
_INDEXES = (
    "text:table-of-content",
    "text:illustration-index",
    "text:table-index",
    "text:object-index",
    "text:user-index",
    "text:alphabetical-index",
    "text:bibliography",
)
_LEFT_OUT = (
    "text:tracked-changes",
    "text:note",
    "text:ruby-text",
    "text:script",
    "office:annotation",
    "office:forms",
    "svg:title",
    "svg:desc",
)
_ROW_GROUPS = ("table:table-header-rows", "table:table-rows", "table:table-row-group")
_CHARACTERS = str.maketrans({"\u00ad": None, "\u2011": "-"})
"""Soft hyphens only cut words, and a no-break hyphen is a hyphen."""


def read_odt(data: bytes, name: str) -> tuple[list[Block], int | None]:
    """``(blocks, pages)``; pages is ``None`` where the file has no page marks. Raises DocumentError."""
    check_opendocument(data, name, TYPES, "un document texte OpenDocument (.odt)")
    try:
        document = odfdo.Document(io.BytesIO(data))
        content: Any = document.get_part("content.xml").root._xml_element  # type: ignore[union-attr]
        styles: Any = document.get_part("styles.xml").root._xml_element  # type: ignore[union-attr]
    except SecurityError as error:
        raise _swollen(name) from error
    except SyntaxError as error:
        raise DocumentError(
            "Le contenu XML de ce document OpenDocument est endommagé",
            where=name,
            remedy="Demandez un exemplaire intact.",
        ) from error
    except (*UNREADABLE, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(
            "Ce fichier n'est pas un document OpenDocument lisible",
            where=name,
            remedy="Ouvrez-le dans un traitement de texte et enregistrez-le de nouveau en ODT.",
        ) from error
    walker = _Walker(_Styles((styles, content)))
    body = content.find(f"{_clark('office:body')}/{_clark('office:text')}")
    blocks = list(walker.walk(body)) if body is not None else []
    if not walker.saw_break:
        return [block.model_copy(update={"page": None}) for block in blocks], None
    return blocks, walker.page


def check_package(data: bytes, name: str, what: str) -> frozenset[str]:
    """Names of the members of a zip package that is safe to unpack; ``what`` names the format expected."""
    if data.startswith(OLE_MAGIC):
        raise DocumentError(
            f"Ce fichier n'est pas {what} : c'est un fichier Office ancien (.doc, .xls) ou chiffré",
            where=name,
            remedy="Enregistrez-le au format actuel, sans mot de passe.",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
    except UNREADABLE as error:
        raise DocumentError(
            f"Ce fichier n'est pas {what} : l'archive est illisible",
            where=name,
            remedy="Ouvrez-le pour vérifier, et enregistrez-le de nouveau.",
        ) from error
    full, packed = sum(item.file_size for item in members), sum(item.compress_size for item in members)
    if full > MAX_UNCOMPRESSED or full > MAX_RATIO * max(packed, 1):
        raise _swollen(name)
    if any(item.flag_bits & 1 for item in members):
        raise _encrypted(name)
    return frozenset(item.filename for item in members)


def check_opendocument(data: bytes, name: str, types: Sequence[str], what: str) -> None:
    """Raise DocumentError unless the package is OpenDocument of one of these media types, and not encrypted."""
    names = check_package(data, name, what)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            found = package.read("mimetype").strip().decode("utf-8", "replace") if "mimetype" in names else ""
            manifest = package.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in names else b""
    except UNREADABLE as error:
        raise DocumentError(
            "Ce document OpenDocument est endommagé", where=name, remedy="Demandez un exemplaire intact."
        ) from error
    if found not in types:
        raise DocumentError(
            f"Cette archive n'est pas {what}" + (f" mais « {fold_spaces(found)[:80]} »" if found else ""),
            where=name,
            remedy="Donnez le document d'origine, ou enregistrez-le dans ce format.",
        )
    if b"encryption-data" in manifest:
        raise _encrypted(name)


def _swollen(name: str) -> DocumentError:
    return DocumentError(
        "Ce document se décompresse en un volume anormal", where=name, remedy="Vérifiez sa provenance."
    )


def _encrypted(name: str) -> DocumentError:
    return DocumentError(
        "Ce document est chiffré par un mot de passe", where=name, remedy="Enregistrez-le sans mot de passe."
    )


@cache
def _clark(name: str) -> str:
    """« text:p » as lxml writes it."""
    prefix, local = name.split(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


def _tag(node: Any) -> str:
    """The node's name with the usual prefix; empty for comments and foreign elements."""
    if not isinstance(node.tag, str):
        return ""
    uri, _, local = node.tag[1:].partition("}")
    return f"{_PREFIXES[uri]}:{local}" if uri in _PREFIXES else ""


def _get(node: Any, name: str, default: str = "") -> str:
    return str(node.get(_clark(name), default))


def _integer(node: Any, name: str, default: int, most: int) -> int:
    """The attribute as a number between 0 and ``most``."""
    value = _get(node, name)
    return min(int(value), most) if re.fullmatch(r"[0-9]{1,18}", value) else default


class _Level(NamedTuple):
    """One level of a list style; ``format`` is empty for bullets and for levels without a number."""

    format: str
    prefix: str
    suffix: str
    start: int
    shown: int
    """How many levels the number shows: 2 in « 1.1 »."""
    template: str
    """LibreOffice's « Chapitre %1% – », which says more than prefix and suffix; empty elsewhere."""


class _Style(NamedTuple):
    parent: str
    title: bool
    before: bool | None
    """Whether it breaks the page before; ``None`` where its parent decides."""
    after: bool | None
    lists: str | None
    """The list style it names, empty where it names none on purpose; ``None`` where its parent decides."""


class _Styles:
    """What the named and automatic styles say of numbers and page breaks."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self.lists: dict[str, dict[int, _Level]] = {}
        self.outline: dict[int, _Level] = {}
        self._styles: dict[tuple[str, str], _Style] = {}
        for root in roots:
            for node in root.iter(_clark("text:list-style"), _clark("text:outline-style"), _clark("style:style")):
                name = _get(node, "style:name")
                if _tag(node) == "style:style":
                    self._styles[_get(node, "style:family"), name] = _style(node)
                    continue
                self.lists[name] = {_integer(level, "text:level", 1, 10): _level(level) for level in node}
                if _tag(node) == "text:outline-style":
                    self.outline = self.lists[name]

    def _chain(self, family: str, name: str) -> Iterator[_Style]:
        seen: set[str] = set()
        while name not in seen and (family, name) in self._styles:
            seen.add(name)
            style = self._styles[family, name]
            yield style
            name = style.parent

    def is_title(self, node: Any) -> bool:
        return any(style.title for style in self._chain("paragraph", _get(node, "text:style-name")))

    def outlined(self, node: Any) -> bool:
        """Whether a heading outside lists takes a number: not if its style names another list style, or none."""
        chain = self._chain("paragraph", _get(node, "text:style-name"))
        return next((style.lists for style in chain if style.lists is not None), "Outline") == "Outline"

    def breaks(self, node: Any) -> tuple[bool, bool]:
        """Whether the paragraph or table starts a page, and whether it ends one."""
        family = "table" if _tag(node) == "table:table" else "paragraph"
        chain = list(self._chain(family, _get(node, f"{'table' if family == 'table' else 'text'}:style-name")))
        before = next((style.before for style in chain if style.before is not None), False)
        return before, next((style.after for style in chain if style.after is not None), False)


def _style(node: Any) -> _Style:
    before: bool | None = None
    after: bool | None = None
    for properties in node:
        if _tag(properties) in ("style:paragraph-properties", "style:table-properties"):
            before = _get(properties, "fo:break-before") == "page" if _get(properties, "fo:break-before") else before
            after = _get(properties, "fo:break-after") == "page" if _get(properties, "fo:break-after") else after
    if _get(node, "style:master-page-name"):  # another page layout can only begin on a new page (ODF 1.3, 19.501)
        before = True
    shown = (_get(node, "style:display-name") or _get(node, "style:name")).lower()
    lists = node.get(_clark("style:list-style-name"))
    return _Style(_get(node, "style:parent-style-name"), shown in ("title", "titre"), before, after, lists)


def _level(node: Any) -> _Level:
    numbered = _tag(node) in ("text:list-level-style-number", "text:outline-level-style")
    return _Level(
        format=_get(node, "style:num-format") if numbered else "",
        prefix=_get(node, "style:num-prefix"),
        suffix=_get(node, "style:num-suffix"),
        start=_integer(node, "text:start-value", 1, MAX_START),
        shown=_integer(node, "text:display-levels", 1, 10),
        template=_get(node, "loext:num-list-format") or _get(node, "style:num-list-format"),
    )


def _number(levels: dict[int, _Level], counters: dict[int, int], depth: int) -> str:
    """The number of the next item at this depth, empty where its style shows none; advances the counters."""
    level = levels.get(depth)
    for above in range(1, depth):  # an item without a parent counts as the child of a first one, as in LibreOffice
        counters.setdefault(above, levels[above].start if above in levels else 1)
    counters[depth] = counters.get(depth, level.start - 1 if level else 0) + 1
    for deeper in [at for at in counters if at > depth]:
        del counters[deeper]
    if level is None or not level.format:
        return ""

    def shown(at: int) -> str:
        of = levels.get(at)
        if of is None or not of.format:
            return ""
        return _formatted(counters.get(at, of.start), _NUMBER_FORMATS.get(of.format, "decimal"))

    if level.template:
        return fold_spaces(re.sub(r"%(\d{1,2})%", lambda match: shown(int(match[1])), level.template))
    parts = [shown(at) for at in range(max(1, depth - level.shown + 1), depth + 1)]
    return fold_spaces(level.prefix + ".".join(part for part in parts if part) + level.suffix)


@dataclass
class _Walker:
    """Walks the body in reading order, counting pages and numbering lists and headings."""

    styles: _Styles
    page: int = 1
    saw_break: bool = False
    _started: bool = False
    """A first paragraph or table was met: before it, a style's page break breaks nothing."""
    _nested: int = 0
    """Tables and frames we are in: a style's page break has no effect there."""
    _in_index: bool = False
    _first_page: int = 1
    """The page on which the last paragraph read begins."""
    _floating: list[Any] = field(default_factory=list)
    """Frames met in the last paragraph read, whose text follows it."""
    _outline: dict[int, int] = field(default_factory=dict)
    _counters: dict[str, dict[int, int]] = field(default_factory=dict)
    """By list identifier, for the lists that go on from another."""
    _last: dict[str, dict[int, int]] = field(default_factory=dict)
    """By list style, the counters of its last list."""

    def walk(self, parent: Any) -> Iterator[Block]:
        for node in parent:
            yield from self._node(node)

    def _node(self, node: Any) -> Iterator[Block]:
        tag = _tag(node)
        if tag in ("text:p", "text:h"):
            yield from self._paragraph(node, self._heading_number(node) if tag == "text:h" else "", 0)
        elif tag == "text:list":
            yield from self._list(node, "", 1, {})
        elif tag == "table:table":
            yield from self._table(node)
        elif tag == "text:soft-page-break":
            self._break()
        elif tag in _INDEXES:
            self._in_index, outer = True, self._in_index
            yield from self.walk(node)
            self._in_index = outer
        elif tag and tag not in _LEFT_OUT:
            yield from self.walk(node)

    def _break(self) -> None:
        self.saw_break = True
        self.page += 1

    def _heading_number(self, node: Any) -> str:
        """The number of a heading outside lists, from the outline style."""
        if self._in_index or _get(node, "text:is-list-header") == "true" or not self.styles.outlined(node):
            return ""
        level = _integer(node, "text:outline-level", 1, 10)
        if _get(node, "text:restart-numbering") == "true":
            start = self.styles.outline[level].start if level in self.styles.outline else 1
            self._outline[level] = _integer(node, "text:start-value", start, MAX_START) - 1
        return _number(self.styles.outline, self._outline, level)

    def _list(self, node: Any, style: str, depth: int, counters: dict[int, int]) -> Iterator[Block]:
        style = _get(node, "text:style-name") or style
        if depth == 1:
            counters = self._list_counters(node, style)
        for item in node:
            if _tag(item) != "text:list-item":
                yield from self._node(item)
                continue
            if _get(item, "text:start-value"):
                counters[depth] = _integer(item, "text:start-value", 1, MAX_START) - 1
            levels = self.styles.lists.get(_get(item, "text:style-override") or style, {})
            waiting = True
            for child in item:
                if _tag(child) == "text:list":
                    yield from self._list(child, style, depth + 1, counters)
                elif waiting and _tag(child) in ("text:p", "text:h"):
                    waiting = False
                    yield from self._paragraph(child, _number(levels, counters, depth), depth)
                elif _tag(child) == "text:h":
                    yield from self._paragraph(child, "", 0)
                else:
                    yield from self._node(child)

    def _list_counters(self, node: Any, style: str) -> dict[int, int]:
        """The counters of the list this one goes on from, else new ones."""
        source = _get(node, "text:continue-list")
        counters: dict[int, int] = {}
        if source in self._counters:
            counters = self._counters[source]
        elif _get(node, "text:continue-numbering") == "true":
            counters = self._last.get(style, counters)
        if _get(node, "xml:id"):
            self._counters[_get(node, "xml:id")] = counters
        self._last[style] = counters
        return counters

    def _paragraph(self, node: Any, number: str, depth: int) -> Iterator[Block]:
        """The block of a paragraph, an item where ``depth`` is not 0, then the text of its frames."""
        before, after = (False, False) if self._nested else self.styles.breaks(node)
        self.page += before and self._started
        self._started = True
        self._first_page, outer, self._floating = 0, self._floating, []
        text = fold_spaces("".join(self._text(node)).translate(_CHARACTERS))
        floating, self._floating = self._floating, outer
        if text:
            yield self._block(node, text, number, depth)
        self._nested += 1
        for frame in floating:
            yield from self.walk(frame)
        self._nested -= 1
        self.page += after

    def _block(self, node: Any, text: str, number: str, depth: int) -> Block:
        page = self._first_page or self.page
        if self._in_index or is_toc(text):
            return Block(kind="toc", text=text, page=page)
        level = _integer(node, "text:outline-level", 1, 10) if _tag(node) == "text:h" else 0
        if not level and not depth and self.styles.is_title(node):
            level = 1
        if level and len(text) <= MAX_HEADING_CHARS:
            return Block(kind="heading", text=f"{number} {text}".strip(), page=page, level=level)
        if depth:
            return Block(kind="item", text=text, page=page, marker=number or "•", level=depth)
        marker, rest = split_marker(text)
        if marker and rest:
            return Block(kind="item", text=rest, page=page, marker=marker, level=1)
        return Block(kind="paragraph", text=f"{number} {text}".strip(), page=page)

    def _text(self, node: Any) -> Iterator[str]:
        """The pieces of a paragraph's final text; counts the page breaks passed and sets frames aside."""
        yield self._seen(node.text)
        for child in node:
            tag = _tag(child)
            if tag in ("text:s", "text:tab", "text:line-break"):
                yield "\t" if tag == "text:tab" else " "
            elif tag == "text:soft-page-break":
                self._break()
            elif tag.startswith("draw:") and tag != "draw:a":
                self._floating.append(child)
            elif tag and tag not in _LEFT_OUT and _get(child, "text:display") != "none":
                yield from self._text(child)
            yield self._seen(child.tail)

    def _seen(self, text: str | None) -> str:
        if text and not text.isspace() and not self._first_page:
            self._first_page = self.page
        return text or ""

    def _table(self, node: Any) -> Iterator[Block]:
        before, after = (False, False) if self._nested else self.styles.breaks(node)
        self.page += before and self._started
        self._started = True
        self._nested += 1
        rows: list[tuple[str, ...]] = []
        pages: list[int] = []
        for row in self._rows(node):
            cells: list[str] = []
            for cell in row:
                if _tag(cell) in ("table:table-cell", "table:covered-table-cell"):
                    count = _integer(cell, "table:number-columns-repeated", 1, MAX_COLUMNS)
                    cells += [self._cell(cell, pages)] * min(count, MAX_COLUMNS - len(cells))
            if any(cells):
                rows += [tuple(cells)] * _integer(row, "table:number-rows-repeated", 1, MAX_COLUMNS)
        self._nested -= 1
        width = max((i + 1 for row in rows for i, cell in enumerate(row) if cell), default=0)
        if rows:
            yield table_block([(*row[:width], *[""] * (width - len(row))) for row in rows], page=pages[0])
        self.page += after

    def _rows(self, node: Any) -> Iterator[Any]:
        for child in node:
            if _tag(child) == "table:table-row":
                yield child
            elif _tag(child) in _ROW_GROUPS:
                yield from self._rows(child)
            elif _tag(child) == "text:soft-page-break":
                self._break()

    def _cell(self, cell: Any, pages: list[int]) -> str:
        """A cell's text, lists with their markers and inner tables flattened; empty where a merged cell covers it."""
        if _tag(cell) == "table:covered-table-cell":
            return ""
        parts: list[str] = []
        for block in self.walk(cell):
            pages.append(block.page or self.page)
            parts += [" ".join(filter(None, row)) for row in block.rows] or [f"{block.marker} {block.text}"]
        return "\n".join(text for part in parts if (text := fold_spaces(part)))

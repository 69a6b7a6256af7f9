"""DOCX bytes -> its form: paper, fonts, sizes, page numbers, contents. What a buyer rules and no text tells."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import docx
from docx.document import Document as WordDocument
from docx.oxml.ns import qn

from pipeline.records import DocumentForm

DEFAULT_POINTS = 10.0
"""Of text whose size nothing gives (ECMA-376 part 1, 17.3.2.38)."""
TWIPS_A_MM = 1440 / 25.4
Value = TypeVar("Value")


def form_of(data: bytes) -> DocumentForm:
    """The form of a Word document that pipeline/readers/docx.py has read and found sound; pages are not in it."""
    document = docx.Document(io.BytesIO(data))
    styles = {style.get(qn("w:styleId")): style for style in document.styles.element.iter(qn("w:style"))}
    smallest, style, fonts = None, "", set()
    for properties, used in _runs(document, styles):
        size = _first(properties, _size)
        size = DEFAULT_POINTS if size is None else size
        fonts.add(_first(properties, _font) or "")
        if smallest is None or size < smallest:
            smallest, style = size, used
    return DocumentForm(
        format="docx",
        megabytes=len(data) / 1e6,
        papers=tuple(sorted({_paper(section) for section in document.element.body.iter(qn("w:sectPr"))})),
        smallest=smallest,
        smallest_style=style,
        fonts=tuple(sorted(fonts)),
        numbered=any("PAGE" in code.split() for part in _margins(document) for code in _codes(part)),
        contents=any(code.split()[:1] == ["TOC"] for code in _codes(document.element)),
    )


def _runs(document: WordDocument, styles: dict[str, Any]) -> Iterator[tuple[list[Any], str]]:
    """Of each run of text of the body and its tables: the properties that rule it, nearest first, and the name of the
    style that is nearest."""
    defaults = document.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    normal = next((s for s in styles.values() if s.get(qn("w:type")) == "paragraph" and s.get(qn("w:default"))), None)
    for run in document.element.body.iter(qn("w:r")):
        if not any((text.text or "").strip() for text in run.findall(qn("w:t"))):
            continue
        paragraph = next(run.iterancestors(qn("w:p")))
        table = next(run.iterancestors(qn("w:tbl")), None)
        named = [
            _named(run.find(qn("w:rPr")), "w:rStyle"),
            _named(paragraph.find(qn("w:pPr")), "w:pStyle") or (normal is not None and normal.get(qn("w:styleId"))),
            _named(table.find(qn("w:tblPr")), "w:tblStyle") if table is not None else "",
        ]
        chains = [styled for identifier in named for styled in _chain(styles.get(identifier or ""), styles)]
        properties = [run.find(qn("w:rPr")), *(styled.find(qn("w:rPr")) for styled in chains), defaults]
        yield [one for one in properties if one is not None], _style_name(chains[0]) if chains else ""


def _chain(style: Any, styles: dict[str, Any]) -> Iterator[Any]:
    """A style and those it is based on; one that goes round in circles ends where it begins again."""
    seen: set[str] = set()
    while style is not None and style.get(qn("w:styleId")) not in seen:
        seen.add(style.get(qn("w:styleId")))
        yield style
        style = styles.get(_named(style, "w:basedOn"))


def _named(parent: Any, tag: str) -> str:
    child = parent.find(qn(tag)) if parent is not None else None
    return str(child.get(qn("w:val"))) if child is not None else ""


def _style_name(style: Any) -> str:
    return _named(style, "w:name")


def _first(properties: list[Any], read: Callable[[Any], Value | None]) -> Value | None:
    return next((value for one in properties if (value := read(one)) is not None), None)


def _size(properties: Any) -> float | None:
    half = _named(properties, "w:sz")
    return float(half) / 2 if half.replace(".", "", 1).isdigit() else None


def _font(properties: Any) -> str | None:
    """``""`` where the theme says which."""
    fonts = properties.find(qn("w:rFonts"))
    if fonts is None:
        return None
    return fonts.get(qn("w:ascii")) or ("" if fonts.get(qn("w:asciiTheme")) else None)


def _paper(section: Any) -> tuple[int, int]:
    """Short and long side in millimetres; (0, 0) where nothing says."""
    size = section.find(qn("w:pgSz"))
    sides = [round(float(size.get(qn(f"w:{side}")) or 0) / TWIPS_A_MM) for side in "wh"] if size is not None else [0, 0]
    return min(sides), max(sides)


def _margins(document: WordDocument) -> Iterator[Any]:
    """Headers and footers."""
    for part in document.part.package.iter_parts():
        if part.content_type.endswith(("header+xml", "footer+xml")):
            yield part.element


def _codes(element: Any) -> Iterator[str]:
    """Codes of the fields."""
    for node in element.iter(qn("w:instrText")):
        yield node.text or ""
    for node in element.iter(qn("w:fldSimple")):
        yield node.get(qn("w:instr")) or ""

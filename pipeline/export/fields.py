"""Small pieces of WordprocessingML that python-docx has no word for: fields, bookmarks, links inside the document
(ECMA-376 part 1, §17.16 and §17.13.6)."""

from __future__ import annotations

from typing import Any

from docx.oxml import OxmlElement
from docx.oxml.ns import qn


def element(tag: str, **attributes: str) -> Any:
    """A ``w:`` element with ``w:`` attributes."""
    made = OxmlElement(f"w:{tag}")
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), value)
    return made


def run(parent: Any, text: str, style: str | None = None) -> Any:
    """Append a run to a paragraph's or a link's element. ``style`` is a character style's identifier."""
    made = element("r")
    if style:
        properties = element("rPr")
        properties.append(element("rStyle", val=style))
        made.append(properties)
    for n, piece in enumerate(text.split("\t")):
        if n:
            made.append(element("tab"))
        if piece:
            words = element("t")
            words.text = piece
            words.set(qn("xml:space"), "preserve")
            made.append(words)
    parent.append(made)
    return made


def begin_field(parent: Any, instruction: str, style: str | None = None, *, dirty: bool = False) -> Any:
    """Open a field whose result follows; returns its first run. ``dirty`` asks Word to compute it on opening."""
    first = run(parent, "", style)
    first.append(element("fldChar", fldCharType="begin", **({"dirty": "true"} if dirty else {})))
    words = element("instrText")
    words.text = f" {instruction} "
    words.set(qn("xml:space"), "preserve")
    run(parent, "", style).append(words)
    run(parent, "", style).append(element("fldChar", fldCharType="separate"))
    return first


def end_field(parent: Any, style: str | None = None) -> Any:
    """Close the field; returns its last run."""
    last = run(parent, "", style)
    last.append(element("fldChar", fldCharType="end"))
    return last


def field(
    parent: Any, instruction: str, shown: str, style: str | None = None, *, dirty: bool = False
) -> tuple[Any, Any]:
    """A whole field with the result it shows now; returns its first and last runs. Every run has the style:
    LibreOffice takes it from the first."""
    first = begin_field(parent, instruction, style, dirty=dirty)
    run(parent, shown, style)
    return first, end_field(parent, style)


def link(parent: Any, anchor: str) -> Any:
    """A link to a bookmark, empty: fill it with runs."""
    made = element("hyperlink", anchor=anchor, history="1")
    parent.append(made)
    return made


def bookmark(first: Any, last: Any, name: str, number: int) -> None:
    """Name what stands from one element to another of the same parent. ``number`` is unique in the document. Names are
    plain letters and digits: LibreOffice rewrites others when it makes a PDF's destinations of them."""
    first.addprevious(element("bookmarkStart", id=str(number), name=name))
    last.addnext(element("bookmarkEnd", id=str(number)))

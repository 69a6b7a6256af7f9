"""A Word document that people worked on -> its text, with comments, and what to know of how it was read.

Pictures are never read: a file of hundreds of megabytes takes the memory of its text. Revisions that nobody accepted or
refused are read as accepted, and said.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from docx.oxml import parse_xml
from docx.oxml.ns import qn
from lxml import etree

from pipeline.errors import DocumentError
from pipeline.french import join_french
from pipeline.readers.docx import OLE_MAGIC, UNREADABLE, read_docx
from pipeline.readers.lines import with_contents
from pipeline.records import Block

DOCUMENT = "word/document.xml"
MAX_TEXT = 200 << 20
"""Bytes of XML, unpacked: the text of some ten thousand pages, 2 GB once parsed."""
NAMED = 3
"""Authors of revisions that are named."""
_REVISIONS = (qn("w:ins"), qn("w:del"), qn("w:moveFrom"), qn("w:moveTo"))
HISTORY = tuple(
    qn(f"w:{name}")
    for name in (
        "rPrChange", "pPrChange", "tblPrChange", "tblGridChange", "trPrChange", "tcPrChange", "sectPrChange",
        "tblPrExChange", "numberingChange", "moveFromRangeStart", "moveFromRangeEnd", "moveToRangeStart",
        "moveToRangeEnd", "cellIns", "cellMerge",
    )
)  # fmt: skip
"""What Word remembers of formats and moves."""


class Reviewed(NamedTuple):
    """A document as people left it."""

    blocks: tuple[Block, ...]
    remarks: tuple[str, ...]
    """What to know of how it was read, a French line each."""


def read_reviewed(path: Path) -> Reviewed:
    """Read a Word document whole, revisions accepted. Raises DocumentError where it is missing, is no readable Word
    document, or holds nothing."""
    if not path.is_file():
        raise DocumentError("Fichier introuvable", where=path, remedy="Vérifiez le chemin.")
    try:
        data = _without_pictures(path)
    except (*UNREADABLE, KeyError) as error:
        raise DocumentError(
            "Ce fichier n'est pas un document Word entier",
            where=path,
            remedy="Il est peut-être tronqué : ouvrez-le pour vérifier, et enregistrez-le de nouveau en DOCX.",
        ) from error
    data, remarks = _settled(data, path)
    blocks, _ = read_docx(data, str(path))
    if not blocks:
        raise DocumentError("Ce document ne contient aucun texte", where=path, remedy="Donnez le document complet.")
    return Reviewed(tuple(with_contents(blocks)), remarks)


def _without_pictures(path: Path) -> bytes:
    """The package with its XML alone; its other parts are there and empty."""
    with path.open("rb") as stream:
        if stream.read(len(OLE_MAGIC)) == OLE_MAGIC:
            raise DocumentError(
                "Ce fichier est un document Word ancien (.doc) ou chiffré",
                where=path,
                remedy="Enregistrez-le en DOCX sans mot de passe.",
            )
    made = io.BytesIO()
    with zipfile.ZipFile(path) as package, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as light:
        items = package.infolist()
        text = [item for item in items if item.filename.endswith((".xml", ".rels"))]
        if sum(item.file_size for item in text) > MAX_TEXT:
            raise DocumentError(
                "Ce document Word se décompresse en un volume anormal", where=path, remedy="Vérifiez sa provenance."
            )
        package.getinfo(DOCUMENT)
        for item in items:
            light.writestr(item.filename, package.read(item) if item in text else b"")
    return made.getvalue()


def _settled(data: bytes, path: Path) -> tuple[bytes, tuple[str, ...]]:
    """The package with its revisions accepted, and what to say of them; the same where it has none."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        raw = package.read(DOCUMENT)
        if b"<w:ins " not in raw and b"<w:del " not in raw and b"<w:move" not in raw:
            return data, ()
        try:
            root = parse_xml(raw)
        except etree.LxmlError as error:
            raise DocumentError(
                "Le contenu XML de ce document Word est endommagé", where=path, remedy="Demandez un exemplaire intact."
            ) from error
        found = list(root.iter(*_REVISIONS))
        authors = sorted({node.get(qn("w:author"), "") for node in found} - {""})
        settle(root)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as whole:
            for name in package.namelist():
                whole.writestr(name, etree.tostring(root) if name == DOCUMENT else package.read(name))
    who = join_french([*authors[:NAMED], *(["d'autres"] if len(authors) > NAMED else [])])
    said = (
        f"Ce document contient {len(found)} révisions ni acceptées ni refusées{f' ({who})' if who else ''} : "
        "elles sont lues comme acceptées."
    )
    return made.getvalue(), (said,) if found else ()


def settle(root: Any) -> None:
    """Accept the revisions a document already holds, in place."""
    for row in list(root.iter(qn("w:tr"))):
        if row.find(f"{qn('w:trPr')}/{qn('w:del')}") is not None:
            row.getparent().remove(row)
    for tag in ("w:del", "w:moveFrom"):
        for node in list(root.iter(qn(tag))):
            if node.getparent().tag not in (qn("w:rPr"), qn("w:trPr")):
                node.getparent().remove(node)
    for tag in ("w:ins", "w:moveTo"):
        for node in list(root.iter(qn(tag))):
            parent = node.getparent()
            for child in list(node):
                node.addprevious(child)
            parent.remove(node)
    for tag in HISTORY:
        for node in list(root.iter(tag)):
            node.getparent().remove(node)
    for paragraph in list(root.iter(qn("w:p"))):
        _settle_mark(paragraph)
    for table in list(root.iter(qn("w:tbl"))):
        if next(table.iter(qn("w:tr")), None) is None:
            table.getparent().remove(table)


def _settle_mark(paragraph: Any) -> None:
    """Join a paragraph whose mark was deleted with the next; drop it where it is empty and none follows."""
    marks = [paragraph.find(f"{qn('w:pPr')}/{qn('w:rPr')}/{qn(tag)}") for tag in ("w:del", "w:moveFrom")]
    mark = next((node for node in marks if node is not None), None)
    if mark is None:
        return
    following = paragraph.getnext()
    content = [child for child in paragraph if child.tag != qn("w:pPr")]
    if following is not None and following.tag == qn("w:p"):
        at = 1 if following.find(qn("w:pPr")) is not None else 0
        for n, child in enumerate(content):
            following.insert(at + n, child)
        paragraph.getparent().remove(paragraph)
    elif not content and following is not None and following.tag == qn("w:tbl"):
        paragraph.getparent().remove(paragraph)
    else:
        mark.getparent().remove(mark)

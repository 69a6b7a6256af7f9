"""DOCX -> PDF through LibreOffice, where it is installed, and the page of every bookmark: what a table of contents
needs and no library that writes Word can know."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
from pypdfium2 import raw

from pipeline.errors import DocumentError
from pipeline.export.word import Layout, to_docx
from pipeline.records import Memoire

TIMEOUT = 300
"""Seconds for one conversion; 100 pages take about 10 on two cores."""
ROUNDS = 4
"""Layouts tried until writing the pages moves none: two are enough unless a contents page appears or goes."""
_FILTER = {
    name: {"type": "boolean", "value": "true"}
    for name in ("ExportBookmarks", "ExportBookmarksToPDFDestination", "UseTaggedPDF")
}


@dataclass(frozen=True)
class LaidOut:
    """A document with its page numbers in its contents."""

    word: bytes
    pdf: bytes
    pages: int


def available() -> str | None:
    """LibreOffice's command, or ``None`` where it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def lay_out(memoire: Memoire, layout: Layout) -> LaidOut:
    """Write the document, lay it out, write the pages found into its contents, until they hold. Raises DocumentError
    where LibreOffice is missing or refuses."""
    known: Mapping[str, int] | None = None
    for _ in range(ROUNDS):
        word = to_docx(memoire, dataclasses.replace(layout, pages=known))
        pdf = to_pdf(word)
        count, found = bookmarks(pdf)
        if found == known:
            break
        known = found
    return LaidOut(word, pdf, count)


def to_pdf(word: bytes) -> bytes:
    """The document as a tagged PDF with its outline. Raises DocumentError."""
    command = available()
    if command is None:
        raise DocumentError(
            "LibreOffice n'est pas installé : le PDF ne peut pas être fait",
            remedy="Installez libreoffice-writer, ou exportez en DOCX et enregistrez en PDF depuis Word.",
        )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "document.docx"
        source.write_bytes(word)
        arguments = [
            command, f"-env:UserInstallation={Path(folder, 'profil').as_uri()}", "--headless",
            "--convert-to", f"pdf:writer_pdf_Export:{json.dumps(_FILTER)}", "--outdir", folder, str(source),
        ]  # fmt: skip
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise DocumentError(
                f"LibreOffice n'a pas fini en {TIMEOUT} secondes", remedy="Relancez, ou exportez en DOCX."
            ) from error
        made = source.with_suffix(".pdf")
        if not made.is_file():
            last = (done.stderr.strip().splitlines() or ["aucun message"])[-1]
            raise DocumentError(f"LibreOffice n'a pas fait le PDF : {last}", remedy="Exportez en DOCX.")
        return made.read_bytes()


def bookmarks(pdf: bytes) -> tuple[int, dict[str, int]]:
    """Pages of a PDF, and the page of each of its named destinations, from 1."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        found = {}
        for at in range(raw.FPDF_CountNamedDests(document.raw)):
            size = ctypes.c_long(0)
            raw.FPDF_GetNamedDest(document.raw, at, None, size)
            buffer = ctypes.create_string_buffer(size.value)
            destination = raw.FPDF_GetNamedDest(document.raw, at, buffer, size)
            name = buffer.raw.decode("utf-16-le").rstrip("\0")
            if re.fullmatch(r"[a-z]+\d+n?", name):
                found[name] = raw.FPDFDest_GetDestPageIndex(document.raw, destination) + 1
        return len(document), found
    finally:
        document.close()

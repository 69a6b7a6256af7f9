"""One module a format; :func:`read` chooses it by what the file holds, not by its name."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DocumentError
from pipeline.machine import cores
from pipeline.readers.docx import UNREADABLE, read_docx
from pipeline.readers.lines import with_contents
from pipeline.readers.odt import read_odt
from pipeline.readers.pdf import read_pdf
from pipeline.readers.sheets import read_sheet
from pipeline.readers.text import Content, read_markdown, read_text
from pipeline.records import Block, Document, SourceKind

SUPPORTED = (".pdf", ".docx", ".odt", ".xlsx", ".ods", ".txt", ".md")
PARALLEL_FROM = 2_000_000
"""Bytes of files from which starting the other processes (1 s each) is paid back: some 5 seconds of reading PDF."""
_IMAGES = {
    b"\x89PNG": "une image PNG",
    b"\xff\xd8\xff": "une image JPEG",
    b"GIF8": "une image GIF",
    b"BM": "une image BMP",
}


def read(path: Path, kind: SourceKind = "dce") -> Document:
    """Read one file. Raises DocumentError where it is missing, empty, encrypted or not what its name says."""
    if not path.exists():
        raise DocumentError("Fichier introuvable", where=path, remedy="Vérifiez le chemin.")
    if not path.is_file():
        raise DocumentError("Ce chemin n'est pas un fichier", where=path, remedy="Donnez un fichier.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"Fichier illisible : {error.strerror}", where=path, remedy="Vérifiez les droits d'accès."
        ) from error
    blocks, pages, scanned = read_bytes(data, str(path), path.suffix.lower())
    if not blocks:
        raise DocumentError("Ce document ne contient aucun texte", where=path, remedy="Donnez le document complet.")
    return Document(
        name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=kind,
        pages=pages,
        blocks=tuple(with_contents(blocks)),
        scanned=scanned,
    )


class Outcome(NamedTuple):
    """What came of a file."""

    document: Document | None
    """``None`` where it could not be read."""
    remark: str
    """One French line where it could not be read, or some of its pages are scans; empty otherwise."""


def read_all(
    paths: Sequence[Path], kind: SourceKind = "dce", progress: Callable[[int, int], None] | None = None
) -> tuple[list[Document], list[str]]:
    """Read many files: ``(documents, one French line a file not read, or not whole)``, in the order of ``paths``."""
    outcomes = read_each(paths, partial(read, kind=kind), progress)
    documents = [outcome.document for outcome in outcomes if outcome.document is not None]
    return documents, [outcome.remark for outcome in outcomes if outcome.remark]


def read_each(
    paths: Sequence[Path],
    reader: Callable[[Path], Document] = read,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """What came of each file, in as many processes as there are cores. ``progress(done, total)`` after each."""
    workers = min(cores(), len(paths))
    if workers < 2 or sum(path.stat().st_size for path in paths if path.is_file()) < PARALLEL_FROM:
        return _counted((_read_or_say(reader, path) for path in paths), len(paths), progress)
    # processes, not threads: pdfium may not be called from two threads, and a fork would copy loaded models
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            return _counted(pool.map(partial(_read_or_say, reader), paths), len(paths), progress)
    except BrokenProcessPool:  # one was killed for memory, or the caller's script has no « if __name__ » guard
        return _counted((_read_or_say(reader, path) for path in paths), len(paths), progress)


def _read_or_say(reader: Callable[[Path], Document], path: Path) -> Outcome:
    try:
        document = reader(path)
    except DocumentError as error:
        return Outcome(None, str(error))
    return Outcome(document, _scans(document) if document.scanned else "")


def _counted(outcomes: Iterable[Outcome], total: int, progress: Callable[[int, int], None] | None) -> list[Outcome]:
    found = []
    for outcome in outcomes:
        found.append(outcome)
        if progress:
            progress(len(found), total)
    return found


def _scans(document: Document) -> str:
    pages = ", ".join(map(str, document.scanned))
    several = len(document.scanned) > 1
    return (
        f"{document.name} : {'pages' if several else 'page'} {pages} : image{'s' if several else ''} sans texte, "
        f"non lue{'s' if several else ''}. Installez la reconnaissance de caractères (OCR, voir le README), ou "
        "demandez un PDF avec texte."
    )


def read_bytes(data: bytes, name: str, suffix: str) -> Content:
    """A file's content; ``suffix`` decides only between plain text and Markdown. Raises DocumentError."""
    if not data:
        raise DocumentError("Ce fichier est vide", where=name, remedy="Donnez le document complet.")
    for magic, what in _IMAGES.items():
        if data.startswith(magic) and suffix in SUPPORTED:
            raise DocumentError(
                f"Ce fichier est {what}, pas un document {suffix[1:].upper()}",
                where=name,
                remedy="Donnez le document d'origine, ou passez l'image à la reconnaissance de caractères (OCR).",
            )
    if b"%PDF-" in data[:1024] or suffix == ".pdf":
        return read_pdf(data, name)
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or suffix in (".docx", ".odt", ".xlsx", ".ods"):
        return Content(*_read_office(data, name, suffix))
    if suffix == ".md":
        return Content(*read_markdown(data, name))
    if suffix == ".txt":
        return Content(*read_text(data, name))
    raise DocumentError(
        f"Format « {suffix or 'sans extension'} » non pris en charge",
        where=name,
        remedy=f"Formats lus : {', '.join(SUPPORTED)}.",
    )


def _read_office(data: bytes, name: str, suffix: str) -> tuple[list[Block], int | None]:
    """A word-processor or spreadsheet package, told by its content; by its name where it is no archive at all."""
    kind = _package_kind(data) or suffix
    if kind == ".odt":
        return read_odt(data, name)
    if kind in (".xlsx", ".ods"):
        return read_sheet(data, name)
    return read_docx(data, name)


def _package_kind(data: bytes) -> str:
    """« .docx », « .odt », « .xlsx », « .ods », or empty."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = set(package.namelist())
            if "word/document.xml" in names:
                return ".docx"
            if "xl/workbook.xml" in names:
                return ".xlsx"
            if "mimetype" in names and package.getinfo("mimetype").file_size < 200:
                mimetype = package.read("mimetype")
                return {b"text": ".odt", b"spreadsheet": ".ods"}.get(mimetype.strip().rsplit(b".", 1)[-1], "")
    except UNREADABLE:
        return ""
    return ""

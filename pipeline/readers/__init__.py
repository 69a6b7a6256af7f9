"""One module a format; :func:`read` chooses it by what the file holds, not by its name."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DocumentError
from pipeline.machine import cores
from pipeline.readers.docx import UNREADABLE, read_docx
from pipeline.readers.lines import with_contents
from pipeline.readers.odt import read_odt
from pipeline.readers.pdf import read_pdf
from pipeline.readers.sheets import read_sheet
from pipeline.readers.text import read_markdown, read_text
from pipeline.records import Block, Document, SourceKind

SUPPORTED = (".pdf", ".docx", ".odt", ".xlsx", ".ods", ".txt", ".md")
PARALLEL_FROM = 12
"""Files from which starting the other processes (1 s each) is paid back."""
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


def read_all(
    paths: Sequence[Path], kind: SourceKind = "dce", progress: Callable[[int, int], None] | None = None
) -> tuple[list[Document], list[str]]:
    """Read many files, in as many processes as there are cores: ``(documents, one French line a file not read)``.
    A file some pages of which are scans is in both.

    Both lists are in the order of ``paths``. ``progress(done, total)`` after each file.
    """
    documents: list[Document] = []
    unread: list[str] = []
    workers = min(cores(), len(paths))
    if workers < 2 or len(paths) < PARALLEL_FROM:
        outcomes: Iterable[Document | str] = (_read_or_say(path, kind) for path in paths)
        return _sorted_out(outcomes, len(paths), documents, unread, progress)
    # processes, not threads: pdfium may not be called from two threads, and a fork would copy loaded models
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return _sorted_out(pool.map(_read_or_say, paths, repeat(kind)), len(paths), documents, unread, progress)


def _read_or_say(path: Path, kind: SourceKind) -> Document | str:
    try:
        return read(path, kind)
    except DocumentError as error:
        return str(error)


def _sorted_out(
    outcomes: Iterable[Document | str],
    total: int,
    documents: list[Document],
    unread: list[str],
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Document], list[str]]:
    for done, outcome in enumerate(outcomes, start=1):
        if isinstance(outcome, str):
            unread.append(outcome)
        else:
            documents.append(outcome)
            if outcome.scanned:
                unread.append(_scans(outcome))
        if progress:
            progress(done, total)
    return documents, unread


def _scans(document: Document) -> str:
    pages = ", ".join(map(str, document.scanned))
    several = len(document.scanned) > 1
    return (
        f"{document.name} : {'pages' if several else 'page'} {pages} : image{'s' if several else ''} sans texte, "
        f"non lue{'s' if several else ''}. Installez la reconnaissance de caractères (OCR, voir le README), ou "
        "demandez un PDF avec texte."
    )


class Content(NamedTuple):
    """What a file says."""

    blocks: list[Block]
    pages: int | None
    """``None`` where the format has no pages."""
    scanned: tuple[int, ...] = ()
    """Pages that are images whose text is not read."""


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
        return Content(*read_pdf(data, name))
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

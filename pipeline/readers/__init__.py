"""One module a format; :func:`read` chooses it by what the file holds, not by its name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import DocumentError
from pipeline.readers.docx import read_docx
from pipeline.readers.pdf import read_pdf
from pipeline.readers.text import read_markdown, read_text
from pipeline.records import Block, Document, SourceKind

SUPPORTED = (".pdf", ".docx", ".txt", ".md")
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
    blocks, pages = read_bytes(data, str(path), path.suffix.lower())
    if not blocks:
        raise DocumentError("Ce document ne contient aucun texte", where=path, remedy="Donnez le document complet.")
    return Document(
        name=path.name, sha256=hashlib.sha256(data).hexdigest(), kind=kind, pages=pages, blocks=tuple(blocks)
    )


def read_bytes(data: bytes, name: str, suffix: str) -> tuple[list[Block], int | None]:
    """``(blocks, pages)`` of a file's content; ``suffix`` decides only between plain text and Markdown."""
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
    if suffix == ".docx" or data.startswith(b"PK\x03\x04"):
        return read_docx(data, name)
    if suffix == ".md":
        return read_markdown(data, name)
    if suffix == ".txt":
        return read_text(data, name)
    raise DocumentError(
        f"Format « {suffix or 'sans extension'} » non pris en charge",
        where=name,
        remedy=f"Formats lus : {', '.join(SUPPORTED)}.",
    )

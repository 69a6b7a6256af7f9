"""Tender and files -> what is handed in: each file under the buyer's rule of naming, the list of the pieces asked for
with what is there, missing or expired, and a ZIP of the same bytes for the same input.

What the rules of the *Code de la commande publique* mean here: the candidature is made of the documents of R. 2143-3,
which a DUME replaces (R. 2143-4); a candidate need not send what the buyer can get free of charge from an official
system (R. 2143-13), nor what he has already sent and is still valid where the buyer provides for it (R. 2143-14).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import DocumentError, DossierError
from pipeline.readers import SUPPORTED, read_bytes
from pipeline.records import Document, Tender

Origin = Literal["asked", "pieces", "cadres", "export"]
"""Named on the command line; lying in the dossier's pieces/; a filled frame; written from the drafts."""


@dataclass(frozen=True)
class Given:
    """A file that may be handed in."""

    path: str
    """Where it is, or what was exported."""
    stem: str
    extension: str
    """Lower case, with its dot."""
    data: bytes
    origin: Origin
    text: str | None
    """``None`` where it is not of a format that is read, or cannot be."""
    pages: int | None
    code: str = ""
    """The deliverable it was written for; empty for a file of the firm."""


@dataclass(frozen=True)
class Certificate:
    """A certificate of the library, with its last day of validity."""

    label: str
    until: str


@dataclass(frozen=True)
class Consultation:
    """What the buyer says and what the firm holds: what the checklist is made from."""

    tender: Tender
    documents: Sequence[Document]
    """Of the buyer, that may rule the files: the RC, or a letter."""
    models: Mapping[str, bytes]
    """The buyer's own files, by name: what is handed back unchanged is not filled in."""
    certificates: Sequence[Certificate]
    today: str
    """ISO 8601; validity is counted to it where the buyer gives no day of submission."""


def taken_from(path: Path, origin: Origin) -> Given:
    """A file of the firm. Raises DocumentError where it is not there, DossierError where it is no file."""
    if not path.exists():
        raise DocumentError("Pièce introuvable", where=path, remedy="Vérifiez le chemin donné à --piece.")
    if not path.is_file():
        raise DossierError("Cette pièce n'est pas un fichier", where=path, remedy="Donnez un fichier à --piece.")
    return given(path.read_bytes(), path.suffix.lower(), origin, str(path), path.stem)


def given(data: bytes, extension: str, origin: Origin, path: str, stem: str, code: str = "") -> Given:
    """A file by its content; its text and pages where its format is read."""
    text: str | None = None
    pages: int | None = None
    if extension in SUPPORTED:
        try:
            blocks, pages, _ = read_bytes(data, path, extension)
            text = "\n".join(block.text for block in blocks)
        except DocumentError:
            text = None  # told in the remarks: a protected PDF is handed in all the same
    return Given(path, stem, extension, data, origin, text, pages if extension == ".pdf" else None, code)


def without_twins(files: Sequence[Given]) -> list[Given]:
    """The firm's files in the order of preference: asked for, then pieces/, then filled frames; one a name.

    Raises DossierError where two of the firm's files have the same name and not the same content: only a person knows
    which one is meant.
    """
    kept: dict[str, Given] = {}
    for file in files:
        name = f"{file.stem}{file.extension}".lower()
        other = kept.setdefault(name, file)
        if other.data != file.data and {other.origin, file.origin} <= {"asked", "pieces"}:
            raise DossierError(
                f"Deux fichiers portent le nom « {file.stem}{file.extension} »",
                where=f"{other.path} et {file.path}",
                remedy="Renommez ou retirez celui qui n'est pas à remettre.",
            )
    return list(kept.values())


def still(package: bytes) -> bytes:
    """A ZIP package (DOCX) with its members' times taken out: the same document is then the same bytes."""
    with zipfile.ZipFile(io.BytesIO(package)) as source:
        return zipped([(name, source.read(name)) for name in source.namelist()])


def zipped(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A ZIP of these members, in this order, without times or rights of the machine it was made on."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name)  # 1 January 1980
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    return stream.getvalue()


def certificates_of(records: Sequence[Mapping[str, Any]]) -> tuple[Certificate, ...]:
    """Certificates among the firm's facts (``intitule`` and ``valable_jusqu_au``)."""
    return tuple(
        Certificate(str(record.get("intitule", "")), record["valable_jusqu_au"].isoformat())
        for record in records
        if record.get("valable_jusqu_au")
    )

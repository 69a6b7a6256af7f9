"""What people correct in what was read, and the documents they add to the buyer's."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DossierError
from pipeline.records import Correction, Tender
from pipeline.tender.corrections import corrected
from pipeline.workspace import Dossier, add_pieces, read_consultation, write_consultation


def correct_tender(dossier: Dossier, corrections: Sequence[Correction], by: str) -> Tender:
    """Correct what was read: consultation.yaml is written anew and believed from then on, whatever is read later.
    Raises DossierError, and changes nothing, where a place does not exist or a value is of the wrong kind."""
    if not by.strip():
        raise DossierError("Une correction porte un nom", remedy="Dites qui vous êtes.")
    with dossier.editing():
        before = read_consultation(dossier)
        tender, changes = corrected(before, corrections)
        if tender == before:
            return before
        write_consultation(dossier, tender)
        told = [
            {"pointer": item.pointer, "before": old, "after": new}
            for item, (old, new) in zip(corrections, changes, strict=True)
        ]
        dossier.note("correct", by=by.strip(), changes=told)
        return read_consultation(dossier)


def add_files(dossier: Dossier, paths: Sequence[Path]) -> list[str]:
    """Copy more documents of the buyer, or archives of them, into the dossier: one French line a file that was not
    simply added. A file of the same name and another content becomes the present one; the one before is kept in
    dce/.versions/. Raises DossierError where a path does not exist, DocumentError where an archive is refused."""
    with tempfile.TemporaryDirectory() as folder:
        return add_pieces(dossier, paths, Path(folder), dt.datetime.now(dt.UTC))

"""The corrected Word documents a dossier has received, and the comparisons made of them."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import DossierError
from pipeline.records import Review
from pipeline.workspace import Dossier


@dataclass(frozen=True)
class Received:
    """A comparison kept in the dossier."""

    id: str
    """Name of its file under reviews/, without its ending."""
    human: str
    """Name of the Word document."""
    when: str
    """ISO 8601, in UTC."""
    acceptance: float | None
    """Share of the machine's words kept as they were."""


def received_reviews(dossier: Dossier) -> list[Received]:
    """The comparisons kept, newest first."""
    found = [
        Received(Path(line["file"]).stem, line["human"], line["when"], line["acceptance"])
        for line in dossier.journal()
        if line["what"] == "review" and (dossier.root / "reviews" / line["file"]).is_file()
    ]
    return found[::-1]


def review_of(dossier: Dossier, name: str) -> Review:
    """A comparison that :func:`received_reviews` lists. Raises DossierError where its file is unreadable."""
    path = dossier.root / "reviews" / f"{name}.json"
    try:
        return Review.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DossierError("Relecture illisible", where=path, remedy="Comparez de nouveau le document.") from error


def word_of(dossier: Dossier, item: Received) -> Path | None:
    """The Word document a comparison is of; ``None`` where it was not received here."""
    path = dossier.root / "reviews" / "recus" / Path(item.human).name
    return path if path.is_file() else None


def keep_word(dossier: Dossier, path: Path) -> str:
    """Keep a document that was received, and tell its name under reviews/recus/: its own, or with a number where
    another document has that name."""
    folder = dossier.root / "reviews" / "recus"
    folder.mkdir(parents=True, exist_ok=True)
    given = _sha256(path)
    for number in itertools.count(1):
        target = folder / (path.name if number == 1 else f"{path.stem} ({number}){path.suffix}")
        if target.exists() and _sha256(target) != given:
            continue
        partial = target.with_name(f".{target.name}.{given[:12]}.partial")
        shutil.copyfile(path, partial)
        partial.replace(target)
        return target.name
    raise AssertionError("unreachable")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

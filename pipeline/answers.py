"""A person's answers to the questions of a draft -> facts of the firm, which the next tender may cite.

They are added at the end of one YAML file of the library; what stands in it, comments included, is not touched.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import DossierError
from pipeline.records import FirmAnswer
from pipeline.weights import write_whole

FILE = "reponses-aux-questions.yaml"
_HEADER = "# Réponses données par l'entreprise aux questions des mémoires : corrigez-les, ou retirez-les, à la main.\n"


def keep_answers(library: Sequence[Path], answers: Sequence[FirmAnswer]) -> tuple[Path, int]:
    """Add to the first folder of the library the answers it does not hold yet: the file, and how many were added.

    An answer is held where question, answer and tender are the same. Raises DossierError where the library has no
    folder, or the file is no list of records.
    """
    folder = next((path for path in library if path.is_dir()), None)
    if folder is None:
        raise DossierError(
            "Ce dossier n'a pas de bibliothèque où garder les réponses",
            remedy="Ajoutez un dossier à « library » dans dossier.yaml.",
        )
    path = folder / FILE
    handle = os.open(folder, os.O_RDONLY)  # two dossiers may share a library: one adds at a time
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        text = path.read_text(encoding="utf-8") if path.is_file() else _HEADER
        held = _records(text, path)
        known = {_key(record) for record in held}
        fresh = {_key(record): record for record in map(_record, answers) if _key(record) not in known}
        if fresh:
            added = yaml.safe_dump(list(fresh.values()), allow_unicode=True, sort_keys=False, width=110)
            whole = text + added if text.endswith("\n") else f"{text}\n{added}"
            if _records(whole, path) != [*held, *fresh.values()]:
                raise _unreadable(path)
            write_whole(path, whole)
    finally:
        os.close(handle)
    return path, len(fresh)


def _record(answer: FirmAnswer) -> dict[str, Any]:
    return {
        "question": answer.question,
        "reponse": answer.answer,
        "par": answer.by,
        "date": dt.date.fromisoformat(answer.date),
        "section": answer.section,
        "consultation": answer.tender,
    }


def _key(record: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(record.get(name, "")) for name in ("question", "reponse", "consultation"))


def _records(text: str, path: Path) -> list[dict[str, Any]]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _unreadable(path) from error
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _unreadable(path)
    return value


def _unreadable(path: Path) -> DossierError:
    return DossierError(
        "Une réponse ne peut pas être ajoutée à ce fichier : une liste de fiches, une par tiret, est attendue",
        where=path,
        remedy="Corrigez-le, ou renommez-le.",
    )

"""The buyer's documents -> what they impose, with what people corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import DossierError
from pipeline.llm import LanguageModel
from pipeline.propose import kept, propose
from pipeline.readers import read_all
from pipeline.records import Change, Conflict, Tender
from pipeline.tender import read_tender
from pipeline.tender.versions import compare, merge
from pipeline.workspace import Dossier, last_reading, read_consultation, write_consultation, write_reading


@dataclass(frozen=True)
class Reading:
    """What a reading gave."""

    tender: Tender
    """What is believed: consultation.yaml, with a person's corrections."""
    unread: tuple[str, ...]
    """One French line a document that could not be read, or not whole."""
    changes: tuple[Change, ...]
    """What differs from the reading before: the buyer has sent a new version."""
    conflicts: tuple[Conflict, ...]
    """Corrections of values that the buyer has changed since; the corrections are kept."""


def read_dossier(
    dossier: Dossier,
    progress: Callable[[int, int], None] | None = None,
    model: Callable[[], LanguageModel] | None = None,
) -> Reading:
    """Read the buyer's documents and put them together with what people corrected.

    ``model`` proposes quotes where the rules find nothing. Raises DossierError where none can be read or
    consultation.yaml is wrong.
    """
    documents, unread = read_all(dossier.dce_files(), "dce", progress)
    if not documents:
        raise DossierError(unread[0] if unread else "Aucun document dans ce dossier", where=dossier.dce)
    with dossier.lock():
        before = last_reading(dossier)
        mine = read_consultation(dossier) if dossier.consultation.is_file() else None
        known = before.documents if before else ()
        corrected = {item.name: item.piece for item in (mine.documents if mine else ()) if item not in known}
        tender = read_tender(documents, corrected)
        tender = kept(before, tender) if before else tender
        tender = propose(tender, documents, model) if model else tender
        with dossier.editing():
            mine = read_consultation(dossier) if dossier.consultation.is_file() else None  # corrected meanwhile
            merged, conflicts = merge(before or tender, mine, tender) if mine else (tender, ())
            if mine is None or merged != mine.model_copy(update={"origins": merged.origins}):
                write_consultation(dossier, merged)
            write_reading(dossier, tender)
        changes = compare(before, tender) if before else ()
        dossier.note(
            "read", plan=len(merged.plan), criteria=len(merged.criteria), changes=len(changes), conflicts=len(conflicts)
        )
    return Reading(read_consultation(dossier), tuple(unread), changes, conflicts)

"""The whole pipeline on one screen: each function takes a dossier one stage further and leaves its record on disk."""

from pipeline.run.correcting import add_files, correct_tender
from pipeline.run.document import Exported, Format, export_dossier, memoire_of, rendered
from pipeline.run.drafting import Choice, Drafted, choose, choose_apart, draft_dossier
from pipeline.run.editing import (
    answer_gap,
    compare_versions,
    lock_section,
    restore_version,
    section_version,
    section_versions,
    text_of,
    unlock_section,
    validate_section,
    write_text,
)
from pipeline.run.handing import FRAME_PIECES, Packed, fill_frames, frames_of, pack_dossier
from pipeline.run.indexing import Indexed, index_dossier, library_of, load_index, search_dossier
from pipeline.run.models import attentive_reader, load_embedder, load_model, load_reranker
from pipeline.run.reading import Reading, read_dossier
from pipeline.run.reviewing import KeptReview, Taken, accept_dossier, keep_review, review_dossier, track_changes
from pipeline.run.scoring import (
    acceptance,
    evaluate_document,
    evaluate_dossier,
    judge_document,
    judge_dossier,
    trend,
)
from pipeline.run.sources import source_of
from pipeline.run.states import section_states
from pipeline.workspace import draft_sha256, section_lock

__all__ = [
    "FRAME_PIECES",
    "Choice",
    "Drafted",
    "Exported",
    "Format",
    "Indexed",
    "KeptReview",
    "Packed",
    "Reading",
    "Taken",
    "accept_dossier",
    "acceptance",
    "add_files",
    "answer_gap",
    "attentive_reader",
    "choose",
    "choose_apart",
    "compare_versions",
    "correct_tender",
    "draft_dossier",
    "draft_sha256",
    "evaluate_document",
    "evaluate_dossier",
    "export_dossier",
    "fill_frames",
    "frames_of",
    "index_dossier",
    "judge_document",
    "judge_dossier",
    "keep_review",
    "library_of",
    "load_embedder",
    "load_index",
    "load_model",
    "load_reranker",
    "lock_section",
    "memoire_of",
    "pack_dossier",
    "read_dossier",
    "rendered",
    "restore_version",
    "review_dossier",
    "search_dossier",
    "section_lock",
    "section_states",
    "section_version",
    "section_versions",
    "source_of",
    "text_of",
    "track_changes",
    "trend",
    "unlock_section",
    "validate_section",
    "write_text",
]

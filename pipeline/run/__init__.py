"""The whole pipeline on one screen: each function takes a dossier one stage further and leaves its record on disk."""

from pipeline.run.document import Exported, Format, export_dossier, memoire_of, rendered
from pipeline.run.drafting import Choice, Drafted, choose, choose_apart, draft_dossier
from pipeline.run.handing import FRAME_PIECES, Packed, fill_frames, frames_of, pack_dossier
from pipeline.run.indexing import Indexed, index_dossier, library_of, load_index, search_dossier
from pipeline.run.models import load_embedder, load_model, load_reranker
from pipeline.run.reading import Reading, read_dossier
from pipeline.run.reviewing import KeptReview, Taken, accept_dossier, keep_review, review_dossier, track_changes
from pipeline.run.scoring import acceptance, evaluate_document, evaluate_dossier, trend

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
    "choose",
    "choose_apart",
    "draft_dossier",
    "evaluate_document",
    "evaluate_dossier",
    "export_dossier",
    "fill_frames",
    "frames_of",
    "index_dossier",
    "keep_review",
    "library_of",
    "load_embedder",
    "load_index",
    "load_model",
    "load_reranker",
    "memoire_of",
    "pack_dossier",
    "read_dossier",
    "rendered",
    "review_dossier",
    "search_dossier",
    "track_changes",
    "trend",
]

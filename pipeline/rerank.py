"""Question, passages -> scores: the best candidates read again, word by word.

LateInteraction needs no other model: the embedder's own vectors of word pieces, each piece of the question matched to
the nearest of the passage (ColBERT, Khattab and Zaharia, SIGIR 2020), rare pieces weighing more. CrossEncoder reads
question and passage together with any such model in a folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.embed import FolderEmbedder, Pieces, Vectors
from pipeline.errors import ModelError
from pipeline.records import Passage
from pipeline.store import searchable

HELD = 2000
"""Passages whose pieces are kept in memory: some 200 kB each."""


class LateInteraction:
    """The embedder's own vectors of word pieces."""

    def __init__(self, embedder: FolderEmbedder) -> None:
        self._embedder = embedder
        self._held: dict[str, Pieces] = {}

    def score(self, question: str, passages: Sequence[Passage]) -> Vectors:
        """Mean over the question's pieces of the cosine to the nearest piece of the passage, weighted by their rarity
        among the passages. Shape (len(passages),)."""
        asked = self._embedder.pieces([question], "query")[0]
        fresh = [passage for passage in passages if passage.id not in self._held]
        if len(self._held) + len(fresh) > HELD:
            self._held.clear()
            fresh = list(passages)
        read = self._embedder.pieces([searchable(passage) for passage in fresh], "passage")
        self._held.update({passage.id: pieces for passage, pieces in zip(fresh, read, strict=True)})
        found = [self._held[passage.id] for passage in passages]
        frequency = Counter(piece for pieces in found for piece in set(pieces.ids))
        rarity = np.log((len(found) + 1) / np.array([frequency[piece] + 0.5 for piece in asked.ids]))
        nearest = np.stack([(asked.vectors @ pieces.vectors.T).max(axis=1) for pieces in found])
        return np.asarray(nearest @ rarity / rarity.sum(), dtype=np.float32)


class CrossEncoder:
    """Any sentence-transformers cross-encoder in a folder."""

    def __init__(self, folder: Path) -> None:
        import sentence_transformers

        try:
            self._model = sentence_transformers.CrossEncoder(str(folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"Le modèle de relecture ne se charge pas : {str(error).splitlines()[0]}",
                where=folder,
                remedy="Donnez le dossier d'un « cross-encoder » de sentence-transformers à retrieve.reranker.",
            ) from error

    def score(self, question: str, passages: Sequence[Passage]) -> Vectors:
        """What the model says of each pair. Shape (len(passages),)."""
        pairs = [(question, searchable(passage)) for passage in passages]
        return np.asarray(self._model.predict(pairs, show_progress_bar=False), dtype=np.float32).reshape(len(pairs))

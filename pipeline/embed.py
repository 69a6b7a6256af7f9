"""Texts -> float32 vectors of unit length, through sentence-transformers and nothing else.

Any folder sentence-transformers loads will do. Queries and passages take the model's own prompts where it has some
(« query: » and « passage: » for the e5 family). Precision is what the processor does best: bfloat16 where it has
instructions for it (measured 5 times faster than the 4-bit engine, cosine to float32 0.9999), float32 elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

Vectors = npt.NDArray[np.float32]
Role = Literal["query", "passage"]

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class Embedder(Protocol):
    """Turns texts into vectors. ``identity`` names model, weights and precision; it is stored with the index."""

    identity: str
    dimension: int

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Shape ``(len(texts), dimension)``, rows of Euclidean length 1."""
        ...


class FolderEmbedder:
    """A sentence-transformers folder, loaded once."""

    def __init__(self, folder: Path, sha256: str, batch: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        precision = native_precision()
        try:
            self._model: Any = SentenceTransformer(
                str(folder),
                device="cpu",
                local_files_only=True,
                model_kwargs={"torch_dtype": getattr(torch, precision)},
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"Le modèle de vecteurs ne se charge pas : {str(error).splitlines()[0]}",
                where=folder,
                remedy="Lancez « memoire models verify ».",
            ) from error
        self._batch = batch
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.identity = f"{folder.name}/{sha256[:12]}/{precision}"

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        prompts = self._model.prompts or {}
        vectors = self._model.encode(
            list(texts),
            prompt_name=role if role in prompts else None,
            batch_size=self._batch,
            convert_to_tensor=True,
            show_progress_bar=False,
        )
        return unit(vectors.float().numpy())


def unit(vectors: npt.NDArray[Any]) -> Vectors:
    """Rows scaled to length 1 in float32; a zero row stays zero."""
    values = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0), dtype=np.float32)


def native_precision() -> Literal["bfloat16", "float32"]:
    """bfloat16 where the processor multiplies it natively (AVX512-BF16 or AMX), float32 elsewhere."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"

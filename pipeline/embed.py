"""Texts -> float32 vectors of unit length, through sentence-transformers and nothing else.

Any folder sentence-transformers loads will do. Queries and passages take the model's own prompts where it has some
(« query: » and « passage: » for the e5 family). Precision is what the processor does best (evals/bench_embed.py):
bfloat16 where it has instructions for it, float32 elsewhere; int8 (dynamic) is there to be asked for.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

Vectors = npt.NDArray[np.float32]
Role = Literal["query", "passage"]
Precision = Literal["bfloat16", "float32", "int8"]
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float32", "int8")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


class Pieces(NamedTuple):
    """A text's word pieces: their numbers in the tokenizer, their vectors, shape (n, d), unit rows."""

    ids: list[int]
    vectors: Vectors


class Embedder(Protocol):
    """Turns texts into vectors. ``identity`` names model, weights and precision; it is stored with the index."""

    identity: str

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        """Shape ``(len(texts), d)``, rows of Euclidean length 1."""
        ...


class FolderEmbedder:
    """A sentence-transformers folder, loaded when the first text is embedded."""

    def __init__(self, folder: Path, sha256: str, batch: int, precision: Precision | None = None) -> None:
        """``precision`` is the processor's best where ``None``."""
        self._folder = folder
        self._batch = batch
        self._precision = precision or native_precision()
        self.identity = f"{folder.name}/{sha256[:12]}/{self._precision}"

    @property
    def dimension(self) -> int:
        """Width of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    @cached_property
    def _model(self) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model: Any = SentenceTransformer(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                model_kwargs={"torch_dtype": torch.bfloat16 if self._precision == "bfloat16" else torch.float32},
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"Le modèle de vecteurs ne se charge pas : {str(error).splitlines()[0]}",
                where=self._folder,
                remedy="Lancez « memoire models verify ».",
            ) from error
        if self._precision == "int8":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # its successor is not in torch
                quantize: Any = torch.ao.quantization.quantize_dynamic
                model = quantize(model, {torch.nn.Linear}, dtype=torch.qint8)
        return model

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

    def pieces(self, texts: Sequence[str], role: Role) -> list[Pieces]:
        """The word pieces of each text, the role's prompt and the model's marks left out."""
        model = self._model
        prompt = (model.prompts or {}).get(role, "")
        before = len(model.tokenizer(prompt)["input_ids"]) - 1 if prompt else 1
        found = []
        for start in range(0, len(texts), self._batch):
            batch = [prompt + text for text in texts[start : start + self._batch]]
            ids = model.tokenizer(batch, truncation=True, max_length=model.max_seq_length)["input_ids"]
            vectors = model.encode(
                batch,
                prompt="",
                output_value="token_embeddings",
                batch_size=self._batch,
                show_progress_bar=False,
            )
            for row, matrix in zip(ids, vectors, strict=True):
                kept = slice(before, len(row) - 1)
                found.append(Pieces(row[kept], unit(matrix.float().cpu().numpy()[kept])))
        return found


def unit(vectors: npt.NDArray[Any]) -> Vectors:
    """Rows scaled to length 1 in float32; a zero row stays zero."""
    values = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0), dtype=np.float32)


def native_precision() -> Precision:
    """bfloat16 where the processor multiplies it natively (AVX512-BF16 or AMX), float32 elsewhere."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"

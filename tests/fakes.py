"""Small stand-ins for the models: deterministic, instant, without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pipeline.embed import Embedder, Role, Vectors, unit
from pipeline.french import stems
from pipeline.index import Index
from pipeline.ingest import put_passages
from pipeline.llm import Feed, Prompt, Reply, Style, Tick
from pipeline.records import Passage
from pipeline.store import Store


class HashEmbedder:
    """A deterministic bag of hashed stems: real similarity for words in common, no weights. For tests."""

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension
        self.identity = f"hash/{dimension}"

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for stem in stems(text):
                vectors[row, int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4]) % self.dimension] += 1
        return unit(vectors)


def index_of(passages: Sequence[Passage], embedder: Embedder) -> Index:
    """An index in memory."""
    store = Store(None)
    put_passages(store, passages, embedder, 700)
    return Index(store)


class ScriptedModel:
    """Answers from a function of the prompt, and keeps the history of what was asked."""

    def __init__(self, answer: Callable[[Prompt], str] | Sequence[str], style: Style = "point") -> None:
        self.asked: list[Prompt] = []
        self.name = "scripted"
        self.sha256 = "0" * 64
        self.style: Style = style
        queue = None if callable(answer) else list(answer)
        self._answer: Callable[[Prompt], str] = answer if callable(answer) else lambda _: queue.pop(0)  # type: ignore[union-attr]

    def stream(self, feed: Feed, max_tokens: int, progress: Tick | None = None) -> Iterator[tuple[int, Reply]]:
        while (given := feed()) is not None:
            key, prompt = given
            self.asked.append(prompt)
            text = self._answer(prompt)
            yield key, Reply(text=text, tokens=len(text.split()), complete=True)

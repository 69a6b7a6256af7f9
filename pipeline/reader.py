"""Points of the plan, paragraphs -> what the language model makes of them, read from within.

The signals of :mod:`pipeline.points` choose the paragraphs worth it; for each, the states of a middle layer
(:mod:`pipeline.llm.hidden`) join these signals in a second multinomial regression. Its coefficients, in reader.json,
belong to one file of weights, one layer and the very words of prompts/points.reader.jinja.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline import prompts
from pipeline.embed import Embedder
from pipeline.errors import ModelError
from pipeline.llm import Prompt
from pipeline.points import FEATURES, Asked, Calibration, Corpus, Reading, Said, readings_of
from pipeline.points import calibration as signals

MODEL = Path(__file__).with_name("reader.json")
LAYER = 17
"""From 0, of the default model's 28: of 13 to 21 the one that told most on tuned documents, beside the signals."""
PROMPT = "points.reader"
AGAIN = 4
"""Paragraphs of a point that are read attentively: those the signals find likeliest to answer it."""
CHARS = 1600
"""Of a paragraph: a longer one is cut."""


class States(Protocol):
    """A model seen from within (:class:`pipeline.llm.hidden.HiddenStates`)."""

    sha256: str

    def states(self, passage: Prompt, questions: Sequence[str]) -> npt.NDArray[np.float32]: ...


class Reader:
    """Reads paragraphs for points, attentively."""

    def __init__(self, model: States) -> None:
        self._model = model
        self.identity = f"{model.sha256[:12]}/{LAYER}/{prompts.fingerprint(PROMPT)[:12]}"

    def states(self, paragraph: str, asked: Sequence[Asked]) -> npt.NDArray[np.float32]:
        """What the model makes of a paragraph for each of some points, shape (points, 2 × width)."""
        passage = prompts.render(PROMPT, paragraph=" ".join(paragraph.split())[:CHARS])
        questions = [
            prompts.block(PROMPT, "question", section=one.title, point=one.text, part=one.part) for one in asked
        ]
        return self._model.states(passage, questions)


@cache
def calibration(identity: str) -> Calibration:
    """The coefficients for a model. Raises ModelError where there are none for it: they were fitted for one model."""
    kept = json.loads(MODEL.read_text(encoding="utf-8"))
    if kept["identity"] != identity:
        raise ModelError(
            f"La lecture attentive n'est réglée que pour le modèle « {kept['model']} »",
            remedy=f"Choisissez-le (--set llm.model={kept['model']}), ou lisez sans --attentive.",
        )
    weights = np.array(kept["weights"])
    count = weights.shape[1]
    if tuple(kept["features"]) != FEATURES:
        raise ValueError("reader.json was fitted for other features: run python -m evals.points --attentive --fit")
    return Calibration(
        means=np.zeros(count),
        deviations=np.ones(count),
        weights=weights,
        biases=np.array(kept["biases"]),
        covered_from=kept["covered_from"],
        partial_from=kept["partial_from"],
    )


def read_attentively(
    asked: Sequence[Asked],
    said: Sequence[Said],
    embedder: Embedder,
    reader: Reader,
    progress: Callable[[int, int], None] | None = None,
) -> list[Reading]:
    """What the AGAIN likeliest paragraphs of each point make of it. ``progress`` is told (paragraphs read, of). Raises
    ModelError."""
    if not asked or not said:
        return []
    model = calibration(reader.identity)
    pairs, features = likeliest(Corpus(asked, said, embedder))
    found = model.probabilities(np.hstack([features, states_of(pairs, asked, said, reader, progress)]))
    return readings_of(pairs, found)


def likeliest(corpus: Corpus) -> tuple[list[tuple[int, int]], npt.NDArray[np.float64]]:
    """The (point, paragraph) pairs worth reading attentively, with their signals."""
    pairs, features = corpus.table()
    missing = signals().probabilities(features)[:, 0]
    kept: list[int] = []
    for point in range(len(corpus.asked)):
        own = [n for n, pair in enumerate(pairs) if pair[0] == point]
        kept += sorted(own, key=lambda n: missing[n])[:AGAIN]
    return [pairs[n] for n in kept], features[kept]


def states_of(
    pairs: Sequence[tuple[int, int]],
    asked: Sequence[Asked],
    said: Sequence[Said],
    reader: Reader,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """The states for (point, paragraph) pairs, in their order; each paragraph is read once, for all its points."""
    of: dict[int, list[int]] = defaultdict(list)
    for n, (_, paragraph) in enumerate(pairs):
        of[paragraph].append(n)
    rows: dict[int, npt.NDArray[np.float32]] = {}
    for done, (paragraph, places) in enumerate(sorted(of.items()), start=1):
        rows |= zip(places, reader.states(said[paragraph].text, [asked[pairs[n][0]] for n in places]), strict=True)
        if progress:
            progress(done, len(of))
    return np.stack([rows[n] for n in range(len(pairs))])

"""Points of the plan, paragraphs of any document -> does this paragraph answer that point?

A calibrated combination of three kinds of signals: meaning (cosines of the embedder, of the paragraph's best sentence,
and how they stand beside the other points and paragraphs of the document), words (rarity-weighted stems of the point
found in the paragraph, and in one sentence of it) and the way it is said (figures, who speaks, negation, what is put
off, empty praise). A multinomial logistic regression puts them together; its coefficients, and the curve of its
thresholds, are in points.json, fitted by ``python -m evals.points --fit`` on labels (evals/labels/coverage).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.embed import Embedder, Vectors
from pipeline.french import fold, sentences, stems
from pipeline.records import Verdict
from pipeline.verify import quantities

MODEL = Path(__file__).with_name("points.json")
VERDICTS: tuple[Verdict, ...] = ("missing", "partial", "covered")
"""In the order of the model's probabilities."""
OWN, NEAREST = 8, 3
"""Paragraphs of a point's own section, and of others, that are read for it, the nearest in meaning: an answer is seldom
further, and sections of labelled documents have no more than eight."""
FEATURES = (
    "sentence", "rank", "standing", "others", "words", "together", "asked", "home",
    "negation", "negated", "put_off", "we", "we_there", "past", "praise", "figures", "length",
)  # fmt: skip

_NEGATION = re.compile(r"\bne\b|\bn['’]|\baucun\w*|\bsans\b|\bni\b|\bhors perimetre\b|\bexclu\w*|\bpas de\b|\bjamais\b")
_PUT_OFF = re.compile(
    r"\bpourr\w+|\bsi (?:necessaire|besoin)|le cas echeant|\beventuel\w*|\ba (?:definir|preciser)|\bulterieur\w*"
    r"|\bsur demande|\ben option|\benvisag\w+|\bserait|\bau demarrage|\blors du lancement|\bselon les besoins"
    r"|\bau cas par cas|\bser(?:a|ont) (?:defini|precise|arrete|fixe)\w*"
)
_WE = re.compile(r"\bnous\b|\bnos\b|\bnotre\b|\bl.equipe\b|\bon\b")
_PAST = re.compile(r"\b(?:avons|ont|a ete|ont ete|avait|etait|etaient)\b")
_PRAISE = re.compile(
    r"\b(?:qualite|excellence|expertise|savoir-faire|engagement|ecoute|proximite|reactivite|performance|satisfaction"
    r"|optimal\w*|innovant\w*|global\w*|ensemble|demarche|enjeux?|au coeur|ambition|valeurs?|essentiel\w*|primordial\w*"
    r"|important\w*|pilier|maitrise|meilleur\w*|rigueur|culture|conviction|attach\w+|veill\w+)\b"
)
_ITEMS = re.compile(r",|;| et | ou |/|:|\(|\)")


class Asked(NamedTuple):
    """A point of the plan."""

    section: str
    """Name of its section."""
    text: str
    title: str = ""
    """Its section's title."""
    part: str = ""
    """What it stands under in its section, if anything."""


class Said(NamedTuple):
    """A paragraph of a document."""

    section: str
    """Name of the section it stands in; empty outside the plan."""
    text: str


class Reading(NamedTuple):
    """What a paragraph makes of a point."""

    point: int
    paragraph: int
    probabilities: tuple[float, float, float]
    """Of « missing », « partial » and « covered »."""

    @property
    def verdict(self) -> Verdict:
        return VERDICTS[int(np.argmax(self.probabilities))]


@dataclass(frozen=True)
class Calibration:
    """The fitted regression, as kept in points.json."""

    means: npt.NDArray[np.float64]
    deviations: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    """Shape (verdicts, features), for standardised features."""
    biases: npt.NDArray[np.float64]
    covered_from: float
    """Probability of « covered » from which the best paragraph covers the point."""
    partial_from: float
    """Probability of not being « missing » from which the best paragraph treats it at all."""

    def probabilities(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Shape (n, features) -> (n, verdicts)."""
        scores = (features - self.means) / self.deviations @ self.weights.T + self.biases
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))


@cache
def calibration() -> Calibration:
    """The one shipped."""
    kept = json.loads(MODEL.read_text(encoding="utf-8"))
    if tuple(kept["features"]) != FEATURES:
        raise ValueError("points.json was fitted for other features: run python -m evals.points --fit")
    fitted = {name: np.array(kept[name]) for name in ("means", "deviations", "weights", "biases")}
    return Calibration(**fitted, covered_from=kept["covered_from"], partial_from=kept["partial_from"])


def read_points(asked: Sequence[Asked], said: Sequence[Said], embedder: Embedder) -> list[Reading]:
    """What every paragraph of a point's own section, and the nearest of others, make of it. Linear in paragraphs."""
    if not asked or not said:
        return []
    corpus = Corpus(asked, said, embedder)
    pairs, features = corpus.table()
    return readings_of(pairs, calibration().probabilities(features))


def readings_of(pairs: Sequence[tuple[int, int]], found: npt.NDArray[np.float64]) -> list[Reading]:
    """(point, paragraph) pairs with their probabilities, shape (pairs, verdicts)."""
    return [Reading(*pair, (float(p[0]), float(p[1]), float(p[2]))) for pair, p in zip(pairs, found, strict=True)]


def verdict_of(readings: Sequence[Reading], model: Calibration | None = None) -> tuple[Verdict, list[int]]:
    """A point's verdict from what the paragraphs make of it, and those that count, best first."""
    model = model or calibration()
    ranked = sorted(readings, key=lambda reading: -reading.probabilities[2])
    covering = [r.paragraph for r in ranked if r.probabilities[2] >= model.covered_from]
    if covering:
        return "covered", covering
    ranked = sorted(readings, key=lambda reading: reading.probabilities[0])
    touching = [r.paragraph for r in ranked if 1 - r.probabilities[0] >= model.partial_from]
    return ("partial", touching) if touching else ("missing", [])


class Corpus:
    """A document and the points it is read for, embedded once."""

    def __init__(
        self, asked: Sequence[Asked], said: Sequence[Said], embedder: Embedder, *, whole: bool = False
    ) -> None:
        """``whole``: any pair may be asked for, not only candidates; every sentence is then embedded."""
        self.asked, self.said = asked, said
        self._points = embedder.embed([point.text for point in asked], "query")
        self._cosines = self._points @ embedder.embed([p.text for p in said], "passage").T
        self._ranks = (-self._cosines).argsort(axis=1).argsort(axis=1)
        read = range(len(said)) if whole else sorted({n for point in range(len(asked)) for n in self.candidates(point)})
        self._cut = {n: sentences(said[n].text) or [said[n].text] for n in range(len(said))}
        texts = list(dict.fromkeys(sentence for n in read for sentence in self._cut[n]))
        vectors = dict(zip(texts, embedder.embed(texts, "passage"), strict=True))
        self._spoken: dict[int, Vectors] = {n: np.stack([vectors[s] for s in self._cut[n]]) for n in read}
        self._manners = {n: _manner(said[n].text, self._cut[n]) for n in read}
        self._stems = {n: [set(stems(sentence)) for sentence in some] for n, some in self._cut.items()}
        frequency = Counter(stem for some in self._stems.values() for stem in set().union(*some))
        self._rarity = {stem: math.log((len(said) + 1) / (count + 0.5)) for stem, count in frequency.items()}
        self._rarest = math.log((len(said) + 1) / 0.5)

    def candidates(self, point: int) -> list[int]:
        """The nearest paragraphs of its section, then the nearest of the others."""
        here = self.asked[point].section
        nearest = np.argsort(-self._cosines[point], kind="stable").tolist()
        own = [n for n in nearest if self.said[n].section == here][:OWN]
        return own + [n for n in nearest if self.said[n].section != here][:NEAREST]

    def table(self) -> tuple[list[tuple[int, int]], npt.NDArray[np.float64]]:
        """Every (point, candidate) with its features, shape (pairs, features)."""
        pairs = [(point, paragraph) for point in range(len(self.asked)) for paragraph in self.candidates(point)]
        return pairs, np.array([self.features(*pair) for pair in pairs])

    def features(self, point: int, paragraph: int) -> list[float]:
        """In the order of FEATURES."""
        row, column = self._cosines[point], self._cosines[:, paragraph]
        near = self._spoken[paragraph] @ self._points[point]
        best = int(near.argmax())
        wanted = stems(self.asked[point].text)
        rarity = [max(self._rarity.get(stem, self._rarest), 0.1) for stem in wanted]
        total = sum(rarity) or 1.0

        def found(held: set[str]) -> float:
            return sum(weight for stem, weight in zip(wanted, rarity, strict=True) if stem in held) / total

        some = self._stems[paragraph]
        manner = self._manners[paragraph]
        return [
            float(near[best]),
            math.log1p(int(self._ranks[point, paragraph])),
            float((row[paragraph] - row.mean()) / (row.std() + 1e-6)),
            float((column[point] - column.mean()) / (column.std() + 1e-6)),
            found(set().union(*some)),
            max(found(held) for held in some),
            float(len([item for item in _ITEMS.split(self.asked[point].text) if stems(item)]) or 1),
            float(self.asked[point].section == self.said[paragraph].section),
            manner.negation,
            float(bool(_NEGATION.search(manner.folded[best]))),
            float(bool(_PUT_OFF.search(manner.folded[best]))),
            manner.we,
            float(bool(_WE.search(manner.folded[best]))),
            manner.past,
            manner.praise,
            manner.figures,
            manner.length,
        ]


class _Manner(NamedTuple):
    """How a paragraph speaks, whatever it speaks of."""

    folded: list[str]
    """Its sentences without case or accents."""
    negation: float
    """A sentence; likewise the next two."""
    we: float
    past: float
    praise: float
    """In a hundred words."""
    figures: float
    """Logarithm of one more than its quantities."""
    length: float
    """Logarithm of its words."""


def _manner(text: str, some: Sequence[str]) -> _Manner:
    whole = fold(text)
    size, count = max(len(whole.split()), 1), len(some)
    return _Manner(
        folded=[fold(sentence) for sentence in some],
        negation=len(_NEGATION.findall(whole)) / count,
        we=len(_WE.findall(whole)) / count,
        past=len(_PAST.findall(whole)) / count,
        praise=100 * len(_PRAISE.findall(whole)) / size,
        figures=math.log1p(len(quantities(text))),
        length=math.log(size),
    )

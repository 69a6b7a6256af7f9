"""Does search find what answers? `python -m evals.retrieval`

Questions (evals/cases/questions.yaml) were written by reading the sample tender and library and two real tenders, by
people who had not seen the search; each names every place found to answer it. A passage answers when it holds at least
half of the word windows of such a place. Every question is put to its tender indexed with the sample library, by the
hybrid search, BM25 alone and vectors alone.

hit@5: share of questions with an answering passage among the first five. recall@5: mean share of a question's answering
places (at most five) found there. nDCG@10: Järvelin and Kekäläinen, TOIS 20 (2002), gain 1 an answering place, each
place once. refused: share of unanswerable questions for which the hybrid search returns nothing.
"""

from __future__ import annotations

import hashlib
import math
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipeline import run, settings
from pipeline.coverage import share
from pipeline.embed import FolderEmbedder
from pipeline.french import fold
from pipeline.index import Index
from pipeline.records import Passage
from pipeline.retrieve import Reranker, expanded, retrieve
from pipeline.settings import ROOT, Settings
from pipeline.workspace import create

CASES = ROOT / "evals" / "cases" / "questions.yaml"
SHARED = ROOT.parent / "shared" / "dce"
TENDERS = {
    "sample": [ROOT / "corpus" / "dce" / name for name in ("rc.pdf", "ccap.pdf", "pf.docx")],
    "caih": [SHARED / "caih" / "rc.pdf"],
    "vsgp": [SHARED / "vsgp" / name for name in ("RC.pdf", "CCAP.pdf", "CCTP.pdf")],
}
WINDOW = 4
"""Words a window: enough to be found at one place, few enough that a passage cut within a quote keeps half of them."""
WAYS = ("hybride", "sans relecture", "BM25", "vecteurs")
RESAMPLES = 2000
HELD_OUT = 3
"""Questions whose number this divides were not looked at while the search was tuned."""


class Answer(NamedTuple):
    document: str
    windows: frozenset[str]


class Case(NamedTuple):
    """A question and the places that answer it; none where nothing does."""

    id: str
    tender: str
    question: str
    grade: str
    answers: tuple[Answer, ...]

    @property
    def held_out(self) -> bool:
        return int(self.id[1:]) % HELD_OUT == 0


Search = Callable[[str], list[Passage]]


def windows(text: str) -> list[str]:
    """Hashes of the runs of WINDOW words of a text, letters and digits only, case and accents folded."""
    words = "".join(c if c.isalnum() else " " for c in fold(text)).split()
    runs = [" ".join(words[i : i + WINDOW]) for i in range(max(1, len(words) - WINDOW + 1))]
    return [hashlib.sha256(run_.encode()).hexdigest()[:10] for run_ in runs]


def cases() -> list[Case]:
    """The labelled questions."""
    return [
        Case(
            item["id"],
            item["tender"],
            item["question"],
            item["grade"],
            tuple(Answer(a["document"], frozenset(a["windows"])) for a in item["answers"]),
        )
        for item in yaml.safe_load(CASES.read_text(encoding="utf-8"))
    ]


def indexed(tender: str, embedder: FolderEmbedder, tree: Settings, folder: Path) -> Index | None:
    """A tender with the sample library, indexed; ``None`` where the tender is not beside the project."""
    files = TENDERS[tender]
    if not all(path.exists() for path in files):
        return None
    dossier, _ = create(folder / tender, files, [ROOT / "corpus" / "library"])
    run.index_dossier(dossier, embedder, tree)
    return run.load_index(dossier, embedder, tree)


def searches(index: Index, embedder: FolderEmbedder, tree: Settings) -> dict[str, Search]:
    """The three ways compared."""

    def dense(question: str) -> list[Passage]:
        vector = embedder.embed([expanded(question)], "query")[0]
        return [index.passages[i] for i in index.nearest(vector, 10).positions]

    def lexical(question: str) -> list[Passage]:
        return [index.passages[i] for i in index.best(index.word_scores(expanded(question)), 10).positions]

    def hybrid(reranker: Reranker | None) -> Search:
        return lambda question: [
            hit.passage for hit in retrieve(question, index, embedder, tree.retrieve, 10, reranker=reranker)
        ]

    reranker = run.load_reranker(embedder, tree)
    return {"hybride": hybrid(reranker), "sans relecture": hybrid(None), "BM25": lexical, "vecteurs": dense}


def answering(passage: Passage, case: Case, held: dict[str, frozenset[str]]) -> list[int]:
    """Which of the case's places a passage answers from."""
    own = held.setdefault(passage.id, frozenset(windows(" ".join((*passage.headings[-1:], passage.text)))))
    name = Path(passage.document).name
    return [
        number
        for number, answer in enumerate(case.answers)
        if name == answer.document and 2 * len(answer.windows & own) >= len(answer.windows)
    ]


def scores(case: Case, found: Sequence[Passage], held: dict[str, frozenset[str]]) -> tuple[float, float, float]:
    """``(hit@5, recall@5, nDCG@10)`` of one answerable question."""
    seen: set[int] = set()
    gains: list[float] = []
    first_five = 0
    for rank, passage in enumerate(found[:10]):
        fresh = set(answering(passage, case, held)) - seen
        seen |= fresh
        gains.append(min(len(fresh), 1))
        if rank < 5:
            first_five = len(seen)
    places = len(case.answers)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(places, 10)))
    gained = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
    return float(first_five > 0), first_five / min(places, 5), gained / ideal


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of a mean (percentiles of RESAMPLES resamples, seeded)."""
    if not values:
        return (0.0, 0.0)
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]


def measure() -> dict[str, Any]:
    """``{way: {case id: scores}}`` and the unanswerable questions refused."""
    tree = settings.load()
    embedder = run.load_embedder(tree)
    results: dict[str, dict[str, tuple[float, float, float]]] = {name: {} for name in WAYS}
    refused: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        for tender in TENDERS:
            index = indexed(tender, embedder, tree, Path(folder))
            if index is None:
                print(f"{tender} : consultation absente de ../shared, questions non posées.")
                continue
            held: dict[str, frozenset[str]] = {}
            ways = searches(index, embedder, tree)
            for case in (case for case in cases() if case.tender == tender):
                if not case.answers:
                    refused[case.id] = not ways["hybride"](case.question)
                    continue
                for name, search in ways.items():
                    results[name][case.id] = scores(case, search(case.question), held)
    return {"results": results, "refused": refused}


def main() -> int:
    found = measure()
    by_id = {case.id: case for case in cases()}
    groups: dict[str, Callable[[Case], bool]] = {
        "toutes": lambda case: True,
        "réglage": lambda case: not case.held_out,
        "réserve": lambda case: case.held_out,
        **{grade: lambda case, grade=grade: case.grade == grade for grade in ("easy", "medium", "hard")},  # type: ignore[misc]
    }
    for group, holds in groups.items():
        print(f"\n{group}")
        print(f"{'recherche':<15}{'n':>5}{'hit@5':>22}{'recall@5':>22}{'nDCG@10':>22}")
        for name, values in found["results"].items():
            rows = [scores for case, scores in values.items() if holds(by_id[case])]
            columns = [[row[i] for row in rows] for i in range(3)]
            cells = [f"{statistics.fmean(c):.3f} [{interval(c)[0]:.3f}, {interval(c)[1]:.3f}]" for c in columns]
            print(f"{name:<15}{len(rows):>5}" + "".join(f"{cell:>22}" for cell in cells))
    print()
    for name, far in (("proches du sujet", False), ("d'un autre métier", True)):
        said = share([float(v) for case, v in found["refused"].items() if (by_id[case].grade == "far") == far])
        low, high = said.interval or (0.0, 0.0)
        print(f"sans réponse, {name}, refusées : {said.value or 0:.3f} [{low:.3f}, {high:.3f}] (n = {said.n})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

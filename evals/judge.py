"""Does the judge agree with people? `python -m evals.judge [--limit 60] [--runs 3]`

Pairs of a point and a paragraph are those of evals/labels/coverage (its README says how they were labelled). The prompt
was worded on the documents a*; b* are held out, and measured by default.

kappa: Cohen's (Educational and Psychological Measurement 20, 1960) over the three verdicts, 0 for an agreement that the
frequencies alone explain, 1 for a whole one; its interval is a bootstrap over the pairs (percentiles of RESAMPLES
seeded resamples). Pairs without verdict are counted, and stay out of every other figure.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from pipeline import judge, prompts, run, settings
from pipeline.coverage import share
from pipeline.llm.llamacpp import LlamaCpp
from pipeline.records import Asked, Judgement, Verdict
from pipeline.weights import write_whole

FOLDER = Path(__file__).parent / "labels" / "coverage"
SEED = 20261122
RESAMPLES = 2000
VERDICTS: tuple[Verdict, ...] = ("covered", "partial", "missing")


class Pair(NamedTuple):
    """A question and what a person answered."""

    asked: Asked
    label: Verdict
    hard: str
    """How it is hard; empty for an ordinary one."""


class Seen(NamedTuple):
    """What was found for one pair: the label and the verdict."""

    label: Verdict
    verdict: Verdict


def pairs(half: Literal["a", "b"], limit: int = 0) -> list[Pair]:
    """The labelled pairs of one half, all of them or a seeded sample of ``limit``."""
    found = []
    for path in sorted(FOLDER.glob(f"{half}*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        titles = {section["number"]: section["title"] for section in document["sections"]}
        points = {section["number"]: section["points"] for section in document["sections"]}
        texts = {p["id"]: p["text"] for section in document["sections"] for p in section["paragraphs"]}
        for row in document["pairs"]:
            asked = Asked(
                section=titles[row["section"]],
                point=points[row["section"]][row["point"]]["text"],
                text=texts[row["paragraph"]],
                number=f"{path.stem} {row['section']}",
                paragraph=row["paragraph"],
            )
            found.append(Pair(asked, row["label"], row["hard"] or ""))
    return random.Random(SEED).sample(found, limit) if 0 < limit < len(found) else found


def labels_hash() -> str:
    """SHA-256 over the labelled documents."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(FOLDER.glob("*.yaml")))).hexdigest()


def kappa(seen: Sequence[Seen]) -> float | None:
    """Cohen's kappa; ``None`` where it has no meaning: nothing seen, or a single verdict on both sides."""
    if not seen:
        return None
    agreed = sum(one.label == one.verdict for one in seen) / len(seen)
    labels, verdicts = Counter(one.label for one in seen), Counter(one.verdict for one in seen)
    chance = sum(labels[v] * verdicts[v] for v in VERDICTS) / len(seen) ** 2
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def kappa_interval(seen: Sequence[Seen]) -> tuple[float, float] | None:
    """95 % bootstrap interval of kappa; ``None`` where it has none."""
    rng = random.Random(0)
    drawn = (kappa(rng.choices(seen, k=len(seen))) for _ in range(RESAMPLES if seen else 0))
    values = sorted(value for value in drawn if value is not None)
    return (values[int(0.025 * len(values))], values[int(0.975 * len(values))]) if values else None


def figures(seen: Sequence[Seen]) -> Iterator[str]:
    """Lines of figures: accuracy, kappa, precision and recall by verdict."""
    scored = [one for one in seen if one.verdict != "unscored"]
    accuracy = share([float(one.label == one.verdict) for one in scored])
    labels = Counter(one.label for one in scored)
    base = max(labels.values(), default=0) / len(scored) if scored else 0.0
    yield f"unscored {len(seen) - len(scored)} of {len(seen)}"
    if accuracy.value is None or accuracy.interval is None:
        return
    low, high = accuracy.interval
    yield f"accuracy {accuracy.value:.3f} [{low:.2f}, {high:.2f}] (always the most frequent label: {base:.3f})"
    yield f"kappa {spoken(scored)}"
    for verdict in VERDICTS:
        given = [float(one.label == verdict) for one in scored if one.verdict == verdict]
        wanted = [float(one.verdict == verdict) for one in scored if one.label == verdict]
        yield f"{verdict:8} precision {_mean(given)} (n = {len(given)}), recall {_mean(wanted)} (n = {len(wanted)})"


def spoken(seen: Sequence[Seen]) -> str:
    """Kappa with its interval, as printed."""
    value, interval = kappa(seen), kappa_interval(seen)
    if value is None or interval is None:
        return "not defined"
    return f"{value:.3f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def spread(seen: Sequence[Sequence[Seen]]) -> str:
    """Kappa of each run alone, from the lowest to the highest."""
    values = [kappa([one for one in run if one.verdict != "unscored"]) for run in seen]
    known = sorted(value for value in values if value is not None)
    return f"{known[0]:.3f} to {known[-1]:.3f}" if known else "not defined"


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2f}" if values else "–"


def _report(asked: Sequence[Pair], judged: Sequence[Judgement], runs: int) -> Iterator[str]:
    seen = [Seen(pair.label, one.verdict) for pair, one in zip(asked, judged, strict=True)]
    yield from figures(seen)
    ordinary = [one for pair, one in zip(asked, seen, strict=True) if not pair.hard and one.verdict != "unscored"]
    yield f"kappa of the {len(ordinary)} pairs that are not hard on purpose: {spoken(ordinary)}"
    single = [
        [Seen(pair.label, one.runs[n].verdict) for pair, one in zip(asked, judged, strict=True)] for n in range(runs)
    ]
    agreements = [one.agreement for one in judged if one.agreement is not None]
    yield f"kappa of a run alone: {spread(single)}"
    yield f"agreement between runs {_mean(agreements)}; all runs agree on {sum(a == 1 for a in agreements)} pairs"
    refused = Counter(r.refused for one in judged for r in one.runs if r.refused)
    told = ", ".join(f"{count} × {reason}" for reason, count in refused.most_common())
    yield f"replies not used: {sum(refused.values())} of {runs * len(judged)}" + (f" ({told})" if told else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("a", "b"), default="b", help="a: tuned on; b (default): held out")
    parser.add_argument("--limit", type=int, default=0, help="this many pairs drawn at random (seeded), not all")
    parser.add_argument("--runs", type=int, default=3, choices=range(1, judge.MOST_RUNS + 1))
    parser.add_argument("--model", help="name in models/manifest.toml; by default that of the settings")
    parser.add_argument("--keep", type=Path, help="file to write every judgement with its replies to (JSON)")
    chosen = parser.parse_args()
    tuned = settings.load(overrides=[f"llm.model={chosen.model}"] if chosen.model else [])
    asked = pairs(chosen.half, chosen.limit)
    model = run.load_model(tuned)
    started = time.perf_counter()
    whole = len(asked) * chosen.runs
    judged = judge.judge(
        [pair.asked for pair in asked],
        model,
        chosen.runs,
        lambda done: print(f"\r{done} of {whole}", end="" if done < whole else "\n", file=sys.stderr, flush=True),
    )
    seconds = time.perf_counter() - started
    print(f"{len(asked)} pairs of {chosen.half}*, {chosen.runs} runs, seed {SEED}")
    for line in _report(asked, judged, chosen.runs):
        print(line)
    print(f"{seconds:.0f} s, {seconds / max(1, whole):.2f} s a question")
    if isinstance(model, LlamaCpp):
        used = model.usage
        print(f"prompts {used.prefill_seconds:.0f} s ({used.evaluated} tokens), decoding {used.decode_seconds:.0f} s")
        model.close()
    print(f"model {model.name} {model.sha256[:12]}; prompt {prompts.fingerprint(judge.TEMPLATE)[:12]}")
    print(f"labels {labels_hash()[:12]}; context {tuned.llm.context}, parallel {tuned.llm.parallel}")
    if chosen.keep:
        rows = [
            {"label": pair.label, "hard": pair.hard, **one.model_dump(mode="json")}
            for pair, one in zip(asked, judged, strict=True)
        ]
        write_whole(chosen.keep, json.dumps(rows, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Is a mémoire worse than the kept one? `python -m evals.regress [DOSSIER]`, `--write` to make the baseline anew.

Without a dossier, the kept case (evals/kept.py) is scored again: the drafts are the baseline's, so whatever falls by
TOLERANCE or more comes from a change of the program. With one (the sample dossier drafted again, by another model or
prompt), the drafts differ, and chance with them: a metric has fallen where its items, paired by point, paragraph or
section, got worse more often than a coin would make them (one-sided sign test, p < SIGNIFICANT), or where the intervals
of the two values do not meet.

Prints one line a metric that fell, and ends with exit code 1 where one did.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.kept import Kept, kept, made_by, of_dossier
from pipeline.records import Section
from pipeline.settings import ROOT
from pipeline.weights import write_whole
from pipeline.workspace import open_dossier

BASELINE = ROOT / "evals" / "baseline.json"
TOLERANCE = 0.005
"""Least fall that counts where nothing is left to chance: one sentence of two hundred."""
SIGNIFICANT = 0.05

Outcome = Mapping[str, Any]
"""What a run gave, as JSON: « made_by », « drafts » (hash), « metrics », « items » (value by metric and place)."""


def outcome(case: Kept) -> Outcome:
    """A case's scores, with what made it; the same case gives the same, whenever it is scored."""
    report = case.report()
    return {
        "made_by": made_by(case.memoire.sections),
        "drafts": drafts_sha256(case.memoire.sections),
        "metrics": {name: metric.model_dump(mode="json") for name, metric in report.metrics.items()},
        "items": {
            name: {item.key: item.value for item in counted if item.value is not None}
            for name, counted in case.items().items()
        },
    }


def drafts_sha256(sections: Sequence[Section]) -> str:
    """Hash of what sections say and rest on."""
    digest = hashlib.sha256()
    for section in sections:
        digest.update(section.model_dump_json(include={"number", "paragraphs", "passages", "answers"}).encode())
    return digest.hexdigest()


def regressions(before: Outcome, after: Outcome) -> Iterator[str]:
    """A line for each metric that fell for another reason than chance."""
    same = before["drafts"] == after["drafts"]
    for name, old in before["metrics"].items():
        new = after["metrics"].get(name)
        if old["value"] is None:
            continue
        if new is None or new["value"] is None:
            yield f"{name}: {old['value']:.3f} -> not measured"
        elif new["value"] < old["value"]:
            fall = f"{name}: {old['value']:.3f} (n = {old['n']}) -> {new['value']:.3f} (n = {new['n']})"
            worse, better = _discordant(before["items"].get(name, {}), after["items"].get(name, {}))
            if same and old["value"] - new["value"] >= TOLERANCE:
                yield f"{fall}, on the same drafts"
            elif not same and sign_test(worse, better) < SIGNIFICANT:
                yield f"{fall}, {worse} places worse and {better} better (p = {sign_test(worse, better):.4f})"
            elif not same and _apart(old["interval"], new["interval"]):
                yield f"{fall}, intervals apart"


def sign_test(worse: int, better: int) -> float:
    """Probability of at least ``worse`` of the discordant pairs by chance (exact McNemar, one side); 1 for no pair."""
    n = worse + better
    return float(sum(math.comb(n, k) for k in range(worse, n + 1))) / 2.0**n


def _discordant(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[int, int]:
    """Places that got worse and better: a paragraph's sentences are taken together, as other drafts have others."""
    old, new = _by_place(before), _by_place(after)
    pairs = [(old[place], new[place]) for place in old.keys() & new.keys()]
    return sum(b < a for a, b in pairs), sum(b > a for a, b in pairs)


def _by_place(items: Mapping[str, float]) -> dict[str, float]:
    found = defaultdict(list)
    for key, value in items.items():
        found[key.split("#")[0]].append(value)
    return {place: sum(values) / len(values) for place, values in found.items()}


def _apart(old: Sequence[float] | None, new: Sequence[float] | None) -> bool:
    return bool(old and new and new[1] < old[0])


def as_json(found: Outcome) -> str:
    """Key order and line breaks fixed, so that a difference shows in version control."""
    return json.dumps(found, ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dossier", nargs="?", type=Path, help="the sample dossier, drafted again")
    parser.add_argument("--write", action="store_true", help="keep the present scores as the baseline")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores there too")
    chosen = parser.parse_args()
    case = of_dossier(open_dossier(chosen.dossier)) if chosen.dossier else kept()
    after = outcome(case.exported())
    if chosen.json:
        write_whole(chosen.json, as_json(after))
    if chosen.write:
        write_whole(BASELINE, as_json(after))
        print(f"Baseline written: {BASELINE.relative_to(ROOT)}")
        return 0
    lines = list(regressions(json.loads(BASELINE.read_text(encoding="utf-8")), after))
    print("\n".join(f"FELL {line}" for line in lines) or f"Nothing fell: {len(after['metrics'])} metrics.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

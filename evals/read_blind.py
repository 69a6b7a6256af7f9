"""What `memoire read` finds in tenders written by people who had not seen its rules: `python -m evals.read_blind`.

The fictional tenders of tests/documents/tenders imitate the layouts of French buyers; each has its gold reading. Those
named A to E were opened while the rules were written; F were measured before anybody looked at them, and since then
opened for their buyers only (evals/LOG.md). Each is read as PDF and as DOCX.

A label, title or point counts only to the letter (white space, case, accents and closing punctuation apart), a weight
and a date only when equal; precision is that of what was found.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evals.read_gold import Row, compare, criteria_keys, key, norm, recall_only, table
from pipeline.coverage import share
from pipeline.readers import read
from pipeline.records import Tender
from pipeline.settings import ROOT
from pipeline.tender import read_tender

FOLDER = ROOT / "tests" / "documents" / "tenders"
HELD_OUT = "F"


def main() -> int:
    totals: dict[tuple[str, str], list[int]] = {}
    for folder in sorted(FOLDER.iterdir()):
        half = "réserve" if folder.name.startswith(HELD_OUT) else "réglage"
        for form in ("pdf", "docx"):
            for row in rows(folder, form):
                sums = totals.setdefault((f"{half} {form}", row.field), [0, 0, 0])
                for i, value in enumerate((row.right, row.expected, row.found)):
                    sums[i] += value
    found = [Row(half, field, *sums) for (half, field), sums in sorted(totals.items())]
    table(found)
    print()
    for row in found:
        interval = share([1.0] * row.right + [0.0] * (row.expected - row.right)).interval
        if row.document.startswith("réserve") and interval:
            print(
                f"{row.document:<16}{row.field:<20}rappel entre {interval[0]:.2f} et {interval[1]:.2f} (Wilson, 95 %)"
            )
    return 0


def rows(folder: Path, form: str) -> Iterator[Row]:
    """One tender's rows: object, buyer, reference, criteria, plan, dates, pieces, false inconsistencies."""
    gold = json.loads((folder / "gold.json").read_text(encoding="utf-8"))
    tender = read_tender([read(path) for path in sorted(folder.glob(f"*.{form}"))])
    name = folder.name
    for field in ("object", "buyer", "reference"):
        wanted, got = gold[field], getattr(tender, field)
        same = bool(wanted and got and (norm(wanted) in norm(got) or norm(got) in norm(wanted)))
        yield Row(name, field, int(same), int(bool(wanted)), int(bool(got)))
    for field in ("criteria", "selection_criteria"):
        got = [criterion.model_dump() for criterion in getattr(tender, field)]
        yield compare(name, field, criteria_keys(gold[field]), criteria_keys(got))
    yield compare(
        name,
        "plan titles",
        [key(node["number"], node["title"]) for node in gold["plan"]],
        [key(node.number, node.title) for node in tender.plan],
    )
    yield compare(name, "plan points", list(_gold_points(gold["plan"])), list(_points(tender)))
    wanted_dates = sorted({deadline["date"] for deadline in gold["deadlines"]})
    yield compare(name, "deadlines", wanted_dates, sorted({d.date for d in tender.deadlines if d.date}))
    yield recall_only(name, "pieces", gold["pieces"], tender.pieces)
    yield Row(name, "inconsistencies", 0, 0, len(tender.inconsistencies))


def _gold_points(plan: Sequence[dict[str, Any]]) -> Iterator[str]:
    for node in plan:
        yield from (norm(text) for text in (*node["points"], node.get("expected"), node.get("evidence")) if text)


def _points(tender: Tender) -> Iterator[str]:
    for node in tender.plan:
        inside = [point for part in node.parts for point in part.points]
        yield from (norm(text) for text in (*node.points, *inside, node.expected, node.evidence) if text)


if __name__ == "__main__":
    sys.exit(main())

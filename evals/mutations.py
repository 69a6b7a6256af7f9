"""Does the harness see a fault when there is one, and only then? `python -m evals.mutations [--seeds 20]`

A good mémoire (evals/kept.py) is spoilt in one place at a time (evals/faults.py), at ``--seeds`` random places a kind.
A fault is caught where every scorer that must see it gives less than before and a check names the place: the paragraph,
or the section where no paragraph is left to name. A scorer is disturbed where it changes though the fault is none of
its business. On the document as it is, every check that is not in TRUE_FAULTS, read by hand, is a false alarm.

Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evals import faults
from evals.faults import Fault, Spoilt, reworded, sentence
from evals.kept import Kept, kept
from pipeline.coverage import METRICS, share
from pipeline.records import CoverageReport, Metric

LEAST_OF_ALL, LEAST_OF_A_KIND, MOST_FALSE = 0.95, 0.8, 0.02
SEED = 20261122
TRUE_FAULTS = {
    "2.1-1": "« Le COPIL tenait en une page »: its source says that of the COPIL's dashboard",
    "5.1-2": "« compte 138 agents » where the source says « a compté »",
    "6.2-1": "« est de 82,4 % » where the source says « a été de 82,4 % »",
}
"""Paragraphs of the kept case that are wrong, as a reader sees too, and what is wrong with the whole of it."""
COUNTED = ("readability",)
"""Metrics whose checks tell a count (« 47 mots ») and not an opinion: right wherever the count is, they are told apart
from the alarms."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault, the metrics that must fall, and those that must not move."""

    name: str
    fault: Fault
    must: tuple[str, ...]
    alone: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What became of the faults of a kind."""

    kind: Kind
    caught: Metric
    missed: tuple[Spoilt, ...]
    disturbed: dict[str, int]
    """Scorers that moved and should not have, with how often."""


P, N, R, F = "citation_precision", "figure_support", "citation_recall", "french"
TEXT = (
    P, R, N, F, "redundancy", "distinction_labels", "commitments_founded", "client_names", "point_coverage",
    "readability",
)  # fmt: skip
PARTS = ("plan_conformity", "evidence_present", "exhibits_present", "table_support", "requirements_listed")
FORM = (*PARTS, "requirement_trace", "page_budget")
REST = (*FORM, R, F, "redundancy", "client_names", "format_rules")  # what a wrong word leaves alone
PLAN, REQUIREMENTS = ("plan_conformity",), ("requirements_listed",)
KINDS = (
    # the document's headings
    Kind("sections swapped", faults.swapped, PLAN, (*TEXT, *FORM[1:])),
    Kind("heading renamed", faults.renamed, PLAN, (*TEXT, *FORM[1:])),
    Kind("heading renumbered", faults.renumbered, PLAN, (*TEXT, *FORM[1:])),
    Kind("heading dropped", faults.dropped, PLAN, (*TEXT, *FORM[1:])),
    # what is missing
    Kind("point dropped", faults.drop_points(evidence=False), ("point_coverage",), ("plan_conformity", R, N, F)),
    Kind("evidence dropped", faults.drop_points(evidence=True), ("evidence_present",), ("plan_conformity", R, N, F)),
    Kind("tables of a kind dropped", faults.drop_table, ("exhibits_present",), (*TEXT, "plan_conformity")),
    Kind("diagram dropped", faults.drop_figure, ("exhibits_present",), (*TEXT, "plan_conformity", "table_support")),
    Kind("answer to a requirement dropped", faults.drop_answer, REQUIREMENTS, (*TEXT, *PARTS[:4])),
    Kind("requirement dropped", faults.drop_requirement, REQUIREMENTS, (*TEXT, *PARTS[:4])),
    # what is said
    Kind("figure changed", sentence(reworded(faults.other_figure)), (P, N), REST),
    Kind("unit changed", sentence(reworded(faults.other_unit)), (P, N), REST),
    Kind("date changed", sentence(reworded(faults.other_date)), (P, N), REST),
    Kind("limit of a figure dropped", sentence(reworded(faults.unqualified)), (P,), REST),
    Kind("sentence negated", sentence(reworded(faults.negated)), (P,), REST),
    Kind("negation dropped", sentence(reworded(faults.affirmed)), (P,), REST),
    Kind("past told as present", sentence(reworded(faults.present)), (P,), REST),
    Kind("past told as an aim", sentence(reworded(faults.aimed_at)), (P,), REST),
    Kind("buyer's words altered", sentence(reworded(faults.other_figure), quotes=True), ("point_coverage",), REST),
    Kind("English", sentence(reworded(faults.in_english)), (F, P), (*FORM, R, "redundancy", "client_names")),
    Kind("confidential client named", sentence(faults.named), ("client_names",), (*FORM, R, F, "redundancy")),
    Kind("another client's name", sentence(faults.other_client), (P, N), REST),
    Kind("certificate invented", faults.certificate, (P, N), REST),
    Kind("certificate invented in a table", faults.false_row, ("table_support",), (*TEXT, "plan_conformity")),
    Kind("generalities without source", faults.general(cited=False), (R, P), (*FORM, F, "client_names")),
    Kind("generalities with citations", faults.general(cited=True), (P,), (*FORM, R, F, "client_names")),
    Kind("paragraph repeated elsewhere", faults.repeated, ("redundancy",), (*FORM, R, F, "client_names")),
    Kind("section too long", faults.too_long, ("page_budget",), (*PARTS, F, R, "client_names")),
    Kind("sentence too long", sentence(reworded(faults.longer)), ("readability",), (*FORM, R, F, "format_rules")),
    Kind("form of the file changed", faults.other_form, ("format_rules",), (*TEXT, *FORM)),
    # what it rests on
    Kind("neighbour passage cited", sentence(faults.neighbour), (P,), (*REST, "distinction_labels")),
    Kind("absent passage cited", sentence(faults.absent), (R, P), (*FORM, F, "redundancy", "distinction_labels")),
    Kind("citation forgotten", sentence(faults.uncited), (R, P), (*FORM, F, "redundancy", "distinction_labels")),
    # what it claims
    Kind("filed as another distinction", faults.other_label, ("distinction_labels",), (*TEXT[:5], *TEXT[6:], *FORM)),
    Kind("distinction forgotten", faults.no_label, ("distinction_labels",), (*TEXT[:5], *TEXT[6:], *FORM)),
    Kind("marked as a commitment", sentence(faults.committed), ("commitments_founded",), (*TEXT[:6], *FORM)),
    Kind("promise without a source", sentence(faults.promised), ("commitments_founded",), REST),
)


def measure(case: Kept, kind: Kind, seeds: int, before: CoverageReport, seed: int = SEED) -> Result:
    """Spoil at most ``seeds`` places of the kind, each alone."""
    rng = random.Random(f"{seed} {kind.name}")
    caught, missed, disturbed = [], [], dict.fromkeys(kind.alone, 0)
    for spoilt in itertools.islice(kind.fault(case, rng), seeds):
        after = spoilt.case.report()
        caught.append(float(seen(spoilt, kind, before, after)))
        missed += [] if caught[-1] else [spoilt]
        for name in kind.alone:
            disturbed[name] += after.metrics[name].value != before.metrics[name].value
    return Result(kind, share(caught), tuple(missed), {name: times for name, times in disturbed.items() if times})


def seen(spoilt: Spoilt, kind: Kind, before: CoverageReport, after: CoverageReport) -> bool:
    """Whether every metric that must fall does, and a new check of one of them names the place."""
    fallen = all((after.metrics[name].value or 0) < (before.metrics[name].value or 0) for name in kind.must)
    new = [check for check in after.checks if check not in before.checks and check.metric in kind.must]
    return fallen and any(
        check.section in (spoilt.section, spoilt.also or spoilt.section)
        and (spoilt.paragraph is None or check.paragraph == spoilt.paragraph)
        for check in new
    )


def false_alarms(case: Kept, report: CoverageReport) -> Metric:
    """Share of the paragraphs with a check that a reader does not share; what names none counts as one of its own."""
    names = [paragraph.id for section in case.memoire.sections for paragraph in section.paragraphs]
    opinions = [check for check in report.checks if check.metric not in COUNTED]
    flagged = {check.paragraph or f"{check.metric} {check.section}" for check in opinions} - set(TRUE_FAULTS)
    return share([float(name in flagged) for name in names] + [1.0 for name in flagged if name not in names])


def measured(case: Kept, seeds: int, kinds: Sequence[Kind] = KINDS, seed: int = SEED) -> Iterator[Result]:
    """Each kind's result, as it comes."""
    before = case.report()
    for kind in kinds:
        yield measure(case, kind, seeds, before, seed)


def overall(results: Sequence[Result]) -> Metric:
    """Faults caught, over all kinds."""
    return share([value for r in results for value in [1.0] * (r.caught.n - len(r.missed)) + [0.0] * len(r.missed)])


def misses(results: Sequence[Result], alarms: Metric) -> list[str]:
    """A line for each target that is missed."""
    lines = []
    total = overall(results)
    if (total.value or 0) < LEAST_OF_ALL:
        lines.append(f"all kinds: {said(total)}, wanted ≥ {LEAST_OF_ALL}")
    for result in results:
        if (result.caught.value or 0) < LEAST_OF_A_KIND:
            lines.append(f"{result.kind.name}: {said(result.caught)}, wanted ≥ {LEAST_OF_A_KIND}")
        lines += [f"{result.kind.name}: {name} moved {n} times" for name, n in result.disturbed.items()]
    if (alarms.value or 0) > MOST_FALSE:
        lines.append(f"false alarms: {said(alarms)}, wanted ≤ {MOST_FALSE}")
    return lines


def said(metric: Metric) -> str:
    """« 19 of 20 [0.76 – 0.99] »."""
    low, high = metric.interval or (0.0, 1.0)
    return f"{round((metric.value or 0) * metric.n)} of {metric.n} [{low:.2f} – {high:.2f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="places spoilt for each kind")
    parser.add_argument("--seed", type=int, default=SEED, help="which places: another number, other places")
    parser.add_argument("--only", help="kinds whose name holds this")
    parser.add_argument("--missed", action="store_true", help="show what was missed")
    chosen = parser.parse_args()
    started = time.perf_counter()
    case = kept().exported()
    report = case.report()
    print("| fault | caught | scorers that must see it | disturbed |\n|---|---|---|---|")
    results = []
    for result in measured(case, chosen.seeds, [k for k in KINDS if (chosen.only or "") in k.name], chosen.seed):
        results.append(result)
        disturbed = ", ".join(f"{name} {n}" for name, n in result.disturbed.items()) or "–"
        print(
            f"| {result.kind.name} | {said(result.caught)} | {', '.join(result.kind.must)} | {disturbed} |", flush=True
        )
        for spoilt in result.missed if chosen.missed else ():
            print(f"    missed: {spoilt.section} {spoilt.paragraph} {_text(spoilt)}")
    alarms = false_alarms(case, report)
    print(f"| **all {len(results)} kinds** | **{said(overall(results))}** | | |")
    print(f"\nFalse alarms on the document as it is: {said(alarms)}.")
    for check in report.checks:
        place = check.paragraph or f"{check.metric} {check.section}"
        verdict = "counted" if check.metric in COUNTED else TRUE_FAULTS.get(place, "FALSE")
        print(f"  {place}: {check.message} ({verdict})")
    print(f"Metrics: {len(METRICS)}. {time.perf_counter() - started:.0f} s.")
    lines = misses(results, alarms)
    print("\n".join(f"MISSED {line}" for line in lines))
    return 1 if lines else 0


def _text(spoilt: Spoilt) -> str:
    return " ".join(
        told.text
        for section in spoilt.case.memoire.sections
        for paragraph in section.paragraphs
        if paragraph.id == spoilt.paragraph
        for told in paragraph.sentences
    )


if __name__ == "__main__":
    sys.exit(main())

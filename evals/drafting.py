"""Drafts whole mémoires with the default model and says what they are worth: `python -m evals.drafting`.

The sample dossier and, where ../shared is beside the project, CAIH with the sample library. Prints one row a promise,
with what is promised, and ends with exit code 1 where one falls short. Citation figures come from evals/labels,
labelled by hand, not from the verifier. Speed is measured against the same weights in the same run: one sequence
alone, eight sequences always full, and a long prompt.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.citations import citations
from pipeline import machine, run, settings
from pipeline.apart import Tell, apart
from pipeline.case import remarks
from pipeline.claims import claim_of
from pipeline.clients import secret_forms
from pipeline.coverage import share
from pipeline.draft import unled
from pipeline.export.text import to_markdown
from pipeline.french import fold
from pipeline.library import read_facts
from pipeline.llm import Prompt, answers
from pipeline.llm.llamacpp import LlamaCpp, Usage
from pipeline.records import Memoire, Metric
from pipeline.settings import ROOT, Settings
from pipeline.workspace import Dossier, create, open_dossier

CAIH = ROOT.parent / "shared" / "dce" / "caih" / "rc.pdf"
RAW_TOKENS = 64
"""Tokens decoded for each raw rate."""


@dataclass(frozen=True)
class Row:
    """A promise and what was seen; ``held`` is ``None`` where it cannot be told."""

    what: str
    wanted: str
    seen: str
    held: bool | None


@dataclass(frozen=True)
class Rates:
    """Tokens a second of the weights alone: prompt, one sequence, as many sequences as the settings say."""

    prefill: float
    single: float
    batched: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder to draft in (kept); by default a temporary one")
    parser.add_argument("--only", choices=("sample", "caih"), help="draft this one only")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = chosen.keep or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for name, dce in (("sample", ROOT / "corpus" / "dce"), ("caih", CAIH)):
            if chosen.only in (None, name):
                if dce.exists():
                    rows += list(_dossier(root / name, dce, name))
                else:
                    print(f"{name} : la consultation réelle ({dce.name}) est absente, rien n'est mesuré sur elle.")
        rows += list(_labels())
    for row in rows:
        mark = "  ?  " if row.held is None else " ok  " if row.held else "COURT"
        print(f"{mark} {row.what} : {row.seen} (voulu : {row.wanted})")
    return 1 if any(row.held is False for row in rows) else 0


def _dossier(root: Path, dce: Path, name: str) -> Iterator[Row]:
    tuned = settings.load()
    if root.exists():
        dossier = open_dossier(root)
    else:
        dossier, _ = create(root, [dce], [ROOT / "corpus" / "library"])
        run.read_dossier(dossier)
    apart(_index, dossier, tuned)
    model = run.load_model(tuned)
    assert isinstance(model, LlamaCpp), "speed is measured in process"
    rates = _rates(model, tuned)
    model.usage = Usage()
    started = time.perf_counter()
    choice = run.choose_apart(dossier, tuned)
    chosen = time.perf_counter() - started
    for done in run.draft_dossier(dossier, choice, [], lambda: model, tuned, force=True):
        print(f"  {name} {done.section.number} {done.section.title}", file=sys.stderr)
    wall, usage = time.perf_counter() - started, model.usage
    peak = _peak()
    allowed = (model.size + model.cache_bytes) / 1e9 + 1.0
    model.close()
    yield from _contents(dossier, name)
    yield from _speed(name, usage, rates, wall, chosen)
    yield Row(f"{name}, mémoire vive au plus haut", f"≤ {allowed:.2f} Go", f"{peak:.2f} Go", peak <= allowed)


def _index(dossier: Dossier, tuned: Settings, tell: Tell) -> None:
    run.index_dossier(dossier, run.load_embedder(tuned), tuned, tell)


def _contents(dossier: Dossier, name: str) -> Iterator[Row]:
    memoire = run.memoire_of(dossier)
    report = run.evaluate_dossier(dossier)
    points = [point for section in report.sections for point in section.points]
    verified = share([float(point.verdict in ("covered", "partial")) for point in points])
    told = sum(
        any(p.sentences or p.gap for p in section.paragraphs if p.point == number)
        for section in memoire.sections
        for number, point in enumerate(section.brief.points)
        if not point.evidence
    )
    conformity = report.metrics["plan_conformity"]
    yield Row(f"{name}, conformité au plan", "100 %", _percent(conformity), conformity.value == 1.0)
    seen = f"{told} sur {len(points)}"
    yield Row(f"{name}, points avec un paragraphe ou une question", "tous", seen, told == len(points))
    least = 0.85 if name == "sample" else None
    yield Row(
        f"{name}, points avec un paragraphe vérifié",
        f"≥ {least}" if least else "dit",
        _percent(verified),
        (verified.value or 0) >= least if least else None,
    )
    yield from _inventions(dossier, memoire, name)
    evidence = report.metrics["evidence_present"]
    yield Row(f"{name}, preuves demandées présentes", "100 %", _percent(evidence), evidence.value == 1.0)
    listed = sum(bool(row.section) for row in memoire.compliance)
    answered = sum(row.answer is not None for row in memoire.compliance)
    count = len(memoire.compliance)
    said = f"{listed} sur {count}, dont {answered} avec une réponse"
    yield Row(f"{name}, exigences rattachées ou listées avec leur section", "toutes", said, listed == count)


def _inventions(dossier: Dossier, memoire: Memoire, name: str) -> Iterator[Row]:
    """What reached the document without support: read back from the document's own text."""
    sentences = [(s, section) for section in memoire.sections for p in section.paragraphs for s in p.sentences]
    bad = [s.text for s, section in sentences if any(r.kind in ("figure", "name") for r in remarks(s, section))]
    yield Row(f"{name}, chiffres ou noms sans appui", "0", _some(bad), not bad)
    clients = read_facts(dossier.library(), dt.date.today()).clients
    text = fold(to_markdown(memoire))
    leaked = [form for form, _ in secret_forms(clients) if re.search(rf"(?<!\w){re.escape(fold(form))}(?!\w)", text)]
    yield Row(f"{name}, noms de clients confidentiels", "0", _some(leaked), not leaked)
    passages = {p.id: p for section in memoire.sections for p in section.passages}
    unfounded = [
        s.text
        for s, _ in sentences
        if any(passages[n].kind == "response" for n in s.passages) and claim_of(unled(s.text), "response") is None
    ]
    yield Row(f"{name}, engagements sans source de l'entreprise", "0", _some(unfounded), not unfounded)


def _speed(name: str, usage: Usage, rates: Rates, wall: float, chosen: float) -> Iterator[Row]:
    decode = usage.decoded / usage.decode_seconds
    yield Row(
        f"{name}, décodage de plusieurs phrases ensemble contre une seule",
        "≥ 2,0 ×",
        f"{decode / rates.single:.2f} × ({decode:.1f} contre {rates.single:.1f} jetons/s)",
        decode >= 2.0 * rates.single,
    )
    part = usage.evaluated / usage.prompt_tokens
    yield Row(f"{name}, jetons d'invite évalués", "≤ 0,5", f"{part:.2f} de {usage.prompt_tokens}", part <= 0.5)
    ideal = usage.evaluated / rates.prefill + usage.decoded / rates.batched
    yield Row(
        f"{name}, durée contre le modèle seul",
        "≤ 1,25 ×",
        f"{wall / ideal:.2f} × ({wall:.0f} s : choix {chosen:.0f}, invites {usage.prefill_seconds:.0f}, "
        f"décodage {usage.decode_seconds:.0f} ; modèle seul {ideal:.0f})",
        wall <= 1.25 * ideal,
    )


def _rates(model: LlamaCpp, tuned: Settings) -> Rates:
    """Raw rates of the weights: nothing shared, sequences always full."""

    def timed(count: int, length: int, tokens: int) -> Usage:
        model.usage = Usage()
        prompts = [Prompt("Continue.", (), f"Journée {n} d'un hôpital. " * length, stop="") for n in range(count)]
        answers(model, prompts, tokens)
        return model.usage

    long = timed(1, 120, 1)
    single = timed(1, 20, RAW_TOKENS)
    batched = timed(tuned.llm.parallel, 8, RAW_TOKENS)
    return Rates(
        prefill=long.evaluated / long.prefill_seconds,
        single=single.decoded / single.decode_seconds,
        batched=batched.decoded / batched.decode_seconds,
    )


def _labels() -> Iterator[Row]:
    labels = citations()
    for what, values in (
        ("précision des citations, à la main", [label.precise for label in labels]),
        ("rappel des citations, à la main", [label.supported for label in labels]),
    ):
        metric = share([float(value) for value in values])
        yield Row(what, "≥ 0,95, n ≥ 120", _percent(metric), metric.n >= 120 and (metric.value or 0) >= 0.95)


def _peak() -> float:
    """Most resident memory of this process so far, in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _percent(metric: Metric) -> str:
    if metric.value is None:
        return "non mesuré"
    low, high = metric.interval or (0.0, 1.0)
    return f"{metric.value:.3f} [{low:.2f} – {high:.2f}] (n = {metric.n})"


def _some(found: Sequence[str]) -> str:
    return f"{len(found)}" + "".join(f"\n        « {text[:160]} »" for text in found[:5])


if __name__ == "__main__":
    print(f"{machine.cores()} cœurs", file=sys.stderr)
    sys.exit(main())

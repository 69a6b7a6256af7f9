"""The same pairs and the same model put to deepeval's G-Eval: `python -m evals.compare_deepeval [--limit 24]`

deepeval is no dependency of the project: it brings a hundred packages that nothing else needs. Install it aside, and
lend it the project's packages for this script only (they come first, so the model runs in the same versions):

    python3 -m venv ../aside && ../aside/bin/pip install deepeval
    PYTHONPATH=.:$(echo .venv/lib/python3*/site-packages) ../aside/bin/python -m evals.compare_deepeval

G-Eval is its metric for a criterion of one's own: a score from 0 to 10 with its reason, in free JSON, by its own
instructions, with our question as its step and our three verdicts as its rubric, in French. The model is ours, through
the same door (greedy, several answers decoded together). The rubric's own bounds make three verdicts of a score, or,
with --tune, the two cuts with the highest kappa on so many pairs of a*: dozens, for twelve held no partial.
As decoding is greedy, the same words would give the same score at each run: each run words the question otherwise, as
the judge's do (pipeline/judge.py); the order of the grades is deepeval's own. What it raises an error on, or scores
NaN, is counted as unscored.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from itertools import combinations
from typing import Any

from evals.judge import SEED, Pair, Seen, figures, kappa, pairs, spoken, spread
from pipeline import judge, run, settings
from pipeline.llm import LanguageModel, Prompt, answers
from pipeline.records import Verdict

MAX_TOKENS = 220
"""Of a reason and a score: G-Eval asks for a concise one."""
CUTS = tuple(n / 10 for n in range(1, 11))
QUESTIONS = (
    "Le paragraphe (actual output) répond-il au point que l'acheteur demande de traiter (input) ?",
    "Si tu ne lisais que le paragraphe (actual output), pourrais-tu cocher le point de l'acheteur (input) ?",
    "L'acheteur trouve-t-il dans le paragraphe (actual output), à lui seul, ce que le point (input) demande ?",
)
"""Those of prompts/judge.point.jinja, one a run."""
GRADES = {"non": (0, 3), "en partie": (4, 6), "oui": (7, 10)}
"""Scores by verdict, given as G-Eval's rubric. Written as numbered steps instead, the three verdicts drew one same
score for all paragraphs of a run (evals/LOG.md)."""
RUBRIC_CUTS = (GRADES["en partie"][0] / 10, GRADES["oui"][0] / 10)


def verdict_of(score: float | None, cuts: tuple[float, float]) -> Verdict:
    """Covered from the higher cut on, partial from the lower, else missing; unscored where there is no number."""
    if score is None or math.isnan(score):
        return "unscored"
    return "covered" if score >= cuts[1] else "partial" if score >= cuts[0] else "missing"


def best_cuts(scores: Sequence[float | None], labels: Sequence[Verdict]) -> tuple[float, float]:
    """The cuts with the highest kappa; the lowest of those that are equal."""

    def worth(cuts: tuple[float, float]) -> float:
        seen = [Seen(label, verdict_of(score, cuts)) for score, label in zip(scores, labels, strict=True)]
        return kappa([one for one in seen if one.verdict != "unscored"]) or 0.0

    return max(combinations(CUTS, 2), key=worth)


def middle(scores: Sequence[float | None]) -> float | None:
    """Mean of the runs' scores, those without number left out."""
    known = [score for score in scores if score is not None and not math.isnan(score)]
    return sum(known) / len(known) if known else None


def measured(asked: Sequence[Pair], model: LanguageModel, question: str) -> list[float | None]:
    """G-Eval's score in [0, 1] of every pair; ``None`` where deepeval raises an error instead."""
    from deepeval.metrics import GEval
    from deepeval.metrics.g_eval import Rubric
    from deepeval.models import DeepEvalBaseLLM
    from deepeval.test_case import LLMTestCase, SingleTurnParams

    waiting: list[tuple[str, asyncio.Future[str]]] = []

    class Local(DeepEvalBaseLLM):  # type: ignore[misc]
        """The project's model as deepeval wants it: questions wait until all are asked, and are decoded together."""

        def load_model(self) -> LanguageModel:
            return model

        def get_model_name(self) -> str:
            return model.name

        def generate(self, prompt: str) -> str:
            return answers(model, [Prompt("", (), prompt, stop="")], MAX_TOKENS)[0].text

        async def a_generate(self, prompt: str) -> str:
            future = asyncio.get_running_loop().create_future()
            waiting.append((prompt, future))
            return str(await future)

    async def score(pair: Pair) -> float | None:
        metric = GEval(
            name="Couverture",
            evaluation_params=[SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT],
            evaluation_steps=[question],
            rubric=[Rubric(score_range=GRADES[word], expected_outcome=judge.MEANINGS[word]) for word in GRADES],
            model=Local(model.name),
        )
        point = f"Section : {pair.asked.section}\nPoint : {pair.asked.point}"
        case: Any = LLMTestCase(input=point, actual_output=pair.asked.text.strip())
        try:
            return float(await metric.a_measure(case, _show_indicator=False))
        except (ValueError, KeyError, TypeError):  # what it raises where the reply is not its JSON
            return None

    async def everything() -> list[float | None]:
        tasks = [asyncio.create_task(score(pair)) for pair in asked]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.2)
            now, waiting[:] = list(waiting), []
            replies = answers(model, [Prompt("", (), prompt, stop="") for prompt, _ in now], MAX_TOKENS)
            for (_, future), reply in zip(now, replies, strict=True):
                future.set_result(reply.text)
        return [task.result() for task in tasks]

    return asyncio.run(everything())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=60, help="pairs of b*, of the sample of this size")
    parser.add_argument("--first", type=int, default=0, help="only the first of them")
    parser.add_argument(
        "--tune", type=int, default=0, help="pairs of a* to choose the cuts on; by default the rubric's"
    )
    parser.add_argument("--runs", type=int, default=3, choices=range(1, len(QUESTIONS) + 1))
    chosen = parser.parse_args()
    os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"  # it reports to its makers otherwise
    tuned = settings.load()
    model = run.load_model(tuned)
    cuts = RUBRIC_CUTS
    if chosen.tune:
        known = pairs("a", chosen.tune)
        cuts = best_cuts(measured(known, model, QUESTIONS[0]), [pair.label for pair in known])
    chosen_on = f"chosen on {chosen.tune} pairs of a*" if chosen.tune else "the rubric's own"
    print(f"cuts {cuts}, {chosen_on}", flush=True)
    asked = pairs("b", chosen.limit)[: chosen.first or None]
    started = time.perf_counter()
    runs: list[list[float | None]] = []
    single: list[list[Seen]] = []
    for number in range(chosen.runs):
        runs.append(measured(asked, model, QUESTIONS[number]))
        single.append([Seen(pair.label, verdict_of(score, cuts)) for pair, score in zip(asked, runs[-1], strict=True)])
        scored = [one for one in single[-1] if one.verdict != "unscored"]
        print(
            f"run {number + 1}: kappa {spoken(scored)}, scores {sorted(Counter(runs[-1]).items(), key=str)}", flush=True
        )
    seconds = time.perf_counter() - started
    seen = [
        Seen(pair.label, verdict_of(middle(scores), cuts))
        for pair, scores in zip(asked, zip(*runs, strict=True), strict=True)
    ]
    print(f"deepeval {version('deepeval')}, {len(asked)} pairs of b*, {chosen.runs} runs, seed {SEED}")
    for line in figures(seen):
        print(line)
    failed = sum(one.verdict == "unscored" for seen_once in single for one in seen_once)
    print(f"kappa of a run alone: {spread(single)}")
    same = sum(len({one[n].verdict for one in single}) == 1 for n in range(len(asked)))
    print(f"all runs agree on {same} pairs; errors and NaN: {failed} of {len(asked) * chosen.runs}")
    print(f"{seconds:.0f} s, {seconds / max(1, len(asked) * chosen.runs):.2f} s a question")
    print(f"model {model.name} {model.sha256[:12]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

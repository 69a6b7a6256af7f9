"""What a language model says of points and paragraphs: the second opinion, after the scorers that need no model.

One narrow question at a time: does this paragraph answer this point? The reply is held to a form by a grammar and must
prove itself by a quote of the paragraph; one that does not is unscored, never zero. evals/judge.py says how far such a
judge agrees with people: read it before believing one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from statistics import fmean
from typing import NamedTuple

from pipeline import prompts
from pipeline.coverage import share, worth
from pipeline.french import fold, fold_spaces, sentences, stems, typeset, words
from pipeline.llm import LanguageModel, Prompt
from pipeline.records import Asked, JudgedPoint, Judgement, JudgeReport, JudgeRun, SectionCoverage, Verdict

TEMPLATE = "judge.point"
PARAGRAPH_CHARS = 2400
"""Characters of a paragraph shown: about 700 tokens, so that many questions fit the context at once."""
MAX_TOKENS = 90
"""A quote as long as the grammar allows is 60 tokens at most on the labelled documents, its frame 20."""
QUOTE_WORDS = 2
"""Fewest words of a proof: a single one is found in nearly any paragraph."""
_GRAMMAR = (
    'root ::= "{\\"citation\\":\\"" [^"\\\\\\n]{0,140} "\\",\\"verdict\\":\\"" ( "oui" | "en partie" | "non" ) "\\"}"'
)
_VERDICTS: dict[str, Verdict] = {"oui": "covered", "en partie": "partial", "non": "missing"}
MEANINGS = {
    "oui": "le paragraphe dit concrètement ce que le point demande, pour l'essentiel de ce qu'il nomme",
    "en partie": "il traite bien le sujet du point, mais n'en dit qu'une partie, reste vague ou remet à plus tard",
    "non": "il parle d'autre chose, reprend les mots du point sans rien dire de concret, ou renvoie ailleurs",
}
_ALL = tuple(permutations(_VERDICTS))
ORDERS = tuple(_ALL[n] for n in (0, 3, 4, 1, 2, 5))
"""Order of the verdicts by run: the three rotations first, so that three runs put each verdict at each place once."""
MOST_RUNS = len(ORDERS)
_BEST: tuple[Verdict, ...] = ("covered", "partial", "missing")


class Measured(NamedTuple):
    """How far a judge agrees with people, over hand-labelled pairs of point and paragraph."""

    kappa: float
    low: float
    high: float
    """Its 95 % interval."""
    pairs: int


MEASURED = {"qwen2.5-coder-1.5b-instruct-q4_k_m": Measured(0.04, -0.08, 0.15, 60)}
"""By model, with this prompt and three runs: `python -m evals.judge --limit 60` (evals/LOG.md; the README's table)."""


def judge(
    asked: Sequence[Asked], model: LanguageModel, runs: int = 3, progress: Callable[[int], None] | None = None
) -> list[Judgement]:
    """A judgement for each question, in their order, from ``runs`` answers to each (1 to 6, else ValueError);
    ``progress`` is told how many of the ``runs * len(asked)`` answers there are.

    Decoding is greedy: asked again in the same words a model says the same again, which measures nothing. Each run
    therefore puts the three verdicts, and the examples of them, in another order, and words the question otherwise
    (pipeline/judge.py, ``prompt``). Small models lean towards what they read last or first, and over three runs each
    verdict has had each place once: a verdict that holds owes nothing to its place. The changes are fixed by the
    number of the run, so that a judgement can be had again.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ValueError(f"runs must be between 1 and {MOST_RUNS}, not {runs}")
    shown = [excerpt(one.text, one.point) for one in asked]
    # run by run: prompts of a run share instructions and examples, which are then evaluated once
    asking = [prompt(one, text, run) for run in range(runs) for one, text in zip(asked, shown, strict=True)]
    waiting = iter(enumerate(asking))
    replies: dict[int, str] = {}
    for key, reply in model.stream(lambda: next(waiting, None), MAX_TOKENS):
        replies[key] = reply.text
        if progress:
            progress(len(replies))
    return [
        together(one, text, [read(replies[key], text) for key in range(number, len(asking), len(asked))])
        for number, (one, text) in enumerate(zip(asked, shown, strict=True))
    ]


def prompt(asked: Asked, shown: str, run: int) -> Prompt:
    """What run number ``run`` (from 0) asks: order of verdicts and examples, and wording, depend on it alone."""
    order = ORDERS[run]
    made = prompts.render(
        TEMPLATE,
        options=[{"word": word, "meaning": MEANINGS[word]} for word in order],
        question=run % 3,
        section=fold_spaces(asked.section),
        point=fold_spaces(asked.point),
        paragraph=shown,
    )
    ranks = [list(_VERDICTS).index(word) for word in order]
    examples = tuple(made.examples[start + rank] for start in (0, len(ranks)) for rank in ranks)
    return replace(made, examples=examples, grammar=_GRAMMAR)


def excerpt(text: str, point: str, room: int = PARAGRAPH_CHARS) -> str:
    """``text`` on one line; where it is longer than ``room`` characters, the whole sentences that share most stems with
    the point, in their order, cut at a word where one alone is too long."""
    line = fold_spaces(text)
    if len(line) <= room:
        return line
    parts, wanted = sentences(line), set(stems(point))
    kept: list[int] = []
    for number in sorted(range(len(parts)), key=lambda n: -len(wanted & set(stems(parts[n])))):
        if sum(len(parts[n]) + 1 for n in kept) + len(parts[number]) <= room:
            kept.append(number)
    if not kept:
        return line[:room].rsplit(" ", 1)[0]
    return " ".join(parts[number] for number in sorted(kept))


def read(reply: str, shown: str) -> JudgeRun:
    """What a reply is worth, ``shown`` being the paragraph that the model read."""
    try:
        said = json.loads(reply)
        quote, word = fold_spaces(said["citation"]).strip(" .;:,"), said["verdict"]
        verdict = _VERDICTS[word]
    except (json.JSONDecodeError, KeyError, TypeError):  # not JSON, not our form, or cut by the token limit
        return JudgeRun(reply=reply, verdict="unscored", refused="Réponse illisible.")
    if not quote and verdict == "missing":  # nothing can prove an absence
        return JudgeRun(reply=reply, verdict=verdict)
    if len(words(quote)) < QUOTE_WORDS:
        return JudgeRun(reply=reply, verdict="unscored", refused="Aucune citation à l'appui.")
    if fold(quote) not in fold(shown):
        return JudgeRun(reply=reply, verdict="unscored", refused="Citation absente du paragraphe.")
    return JudgeRun(reply=reply, verdict=verdict, quote=quote)


def together(asked: Asked, shown: str, runs: Sequence[JudgeRun]) -> Judgement:
    """The verdict of more usable runs than any other; none where they tie, for then the judge has not decided."""
    counts = Counter(run.verdict for run in runs if run.verdict != "unscored").most_common()
    decided = bool(counts) and (len(counts) == 1 or counts[0][1] > counts[1][1])
    return Judgement(
        asked=asked,
        verdict=counts[0][0] if decided else "unscored",
        agreement=counts[0][1] / sum(count for _, count in counts) if counts else None,
        runs=tuple(runs),
        shown=shown,
    )


def report_of(
    sections: Sequence[SectionCoverage],
    texts: Mapping[str, str],
    model: LanguageModel,
    runs: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> JudgeReport:
    """What the model says of the points of a report. ``texts``: words of each paragraph that the report names; a point
    of which none has words is not asked about. ``progress`` is told the answers there are and how many there will be.
    """
    asked = [
        Asked(section=section.title, point=point.text, text=texts[name], number=section.number, paragraph=name)
        for section in sections
        for point in section.points
        for name in point.paragraphs
        if texts.get(name)
    ]
    told = (lambda done: progress(done, runs * len(asked))) if progress else None
    judgements = judge(asked, model, runs, told)
    points = judged_points(sections, judgements)
    alone = [_coverage(sections, [_alone(one, run) for one in judgements]) for run in range(runs)]
    shares = [value for value in alone if value is not None]
    agreements = [point.agreement for point in points if point.agreement is not None]
    return JudgeReport(
        model=model.name,
        sha256=model.sha256,
        prompt_sha256=prompts.fingerprint(TEMPLATE),
        runs=runs,
        caution=caution(model.name),
        points=tuple(points),
        agreement=fmean(agreements) if agreements else None,
        spread=(min(shares), max(shares)) if shares and runs > 1 else None,
    )


def caution(model: str) -> str:
    """What to know before believing a judge, in French."""
    known = MEASURED.get(model)
    if known is None:
        return typeset("Indicatif : l'accord de ce juge avec des personnes n'a pas été mesuré.")
    kappa, low, high = (f"{value:.2f}".replace(".", ",") for value in known[:3])
    return typeset(
        f"Indicatif : sur {known.pairs} paires étiquetées, ce juge n'est guère d'accord avec des personnes (kappa de "
        f"{kappa} [{low} – {high}], où 0 est le hasard et 1 un accord entier)."
    )


def judged_points(sections: Sequence[SectionCoverage], judgements: Sequence[Judgement]) -> list[JudgedPoint]:
    """The points of a report that were asked about, in its order, with both verdicts."""
    held = {(one.asked.number, one.asked.point, one.asked.paragraph): one for one in judgements}
    found = []
    for section in sections:
        for point in section.points:
            keys = ((section.number, point.text, name) for name in point.paragraphs)
            mine = [held[key] for key in keys if key in held]
            if not mine:
                continue
            given = {one.verdict for one in mine}
            judged: Verdict = next((verdict for verdict in _BEST if verdict in given), "unscored")
            agreements = [one.agreement for one in mine if one.agreement is not None and len(one.runs) > 1]
            quotes = (quote for one in mine if one.verdict == judged for quote in one.quotes)
            found.append(
                JudgedPoint(
                    number=section.number,
                    section=section.title,
                    point=point.text,
                    scored=point.verdict,
                    judged=judged,
                    agreement=fmean(agreements) if agreements else None,
                    quotes=tuple(dict.fromkeys(quotes)),
                    unscored=sum(one.unscored for one in mine),
                )
            )
    return found


def _alone(judgement: Judgement, run: int) -> Judgement:
    """What one run says by itself."""
    return together(judgement.asked, judgement.shown, judgement.runs[run : run + 1])


def _coverage(sections: Sequence[SectionCoverage], judgements: Sequence[Judgement]) -> float | None:
    values = [worth(point.judged) for point in judged_points(sections, judgements)]
    return share(values).value

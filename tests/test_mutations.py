"""The harness itself: it sees what is spoilt and only that, and tells a regression from chance."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from evals import faults
from evals.kept import Kept, kept
from evals.mutations import COUNTED, KINDS, LEAST_OF_ALL, MOST_FALSE, Kind, false_alarms, measured, misses, overall
from evals.regress import BASELINE, Outcome, as_json, outcome, regressions, sign_test
from pipeline.form import SENTENCE_WORDS
from pipeline.french import sentences
from pipeline.llm import Prompt, answers
from pipeline.records import Paragraph, Section, Sentence
from tests.fakes import ScriptedModel

PLACES = 2


@pytest.fixture(scope="module")
def case() -> Kept:
    return kept()


@pytest.fixture(scope="module")
def baseline() -> Outcome:
    found: Outcome = json.loads(BASELINE.read_text(encoding="utf-8"))
    return found


def test_faults_are_seen_where_they_are_and_nowhere_else(case: Kept) -> None:
    results = list(measured(case, PLACES))
    assert len(results) >= 18
    assert all(result.caught.n for result in results), "every kind has a place in the kept case"
    assert (overall(results).value or 0) >= LEAST_OF_ALL
    assert {result.kind.name: result.disturbed for result in results if result.disturbed} == {}


def test_the_document_as_it_is_raises_no_false_alarm(case: Kept) -> None:
    report = case.report()
    assert (false_alarms(case, report).value or 0) <= MOST_FALSE
    opinions = {check.paragraph or check.metric for check in report.checks if check.metric not in COUNTED}
    assert opinions == {"2.1-1", "5.1-2", "6.2-1"}
    words = [int(check.message.split(" de ")[1].split()[0]) for check in report.checks if check.metric in COUNTED]
    assert words
    assert min(words) > SENTENCE_WORDS


def test_a_fault_nobody_sees_and_a_scorer_that_moves_are_told(case: Kept) -> None:
    blind = Kind("title", faults.renamed, ("french",), ("plan_conformity",))
    result = next(measured(case, PLACES, [blind]))
    assert result.caught.value == 0.0
    assert result.disturbed == {"plan_conformity": PLACES}
    lines = misses([result], false_alarms(case, case.report()))
    assert [line.split(":")[0] for line in lines] == ["all kinds", "title", "title"]


def test_every_kind_changes_the_case_once(case: Kept) -> None:
    for kind in KINDS:
        spoilt = next(kind.fault(case, random.Random(1)))
        assert spoilt.case != case, kind.name
        assert spoilt.case.tender is case.tender


# --- regressions -------------------------------------------------------------------------------------------


def with_sections(case: Kept, sections: list[Section]) -> Kept:
    return replace(case, memoire=case.memoire.model_copy(update={"sections": tuple(sections)}))


def with_sentences(case: Kept, change) -> Kept:  # type: ignore[no-untyped-def]
    """Each paragraph with ``change(paragraph)`` for its sentences."""
    return with_sections(
        case,
        [
            s.model_copy(
                update={"paragraphs": tuple(p.model_copy(update={"sentences": change(p)}) for p in s.paragraphs)}
            )
            for s in case.memoire.sections
        ],
    )


def test_the_kept_case_is_its_baseline_and_the_same_each_time(case: Kept, baseline: Outcome) -> None:
    first = outcome(case)
    assert list(regressions(baseline, first)) == []
    assert as_json(first) == as_json(outcome(kept())), "made again in another folder"
    assert first["made_by"]["models"].startswith("qwen2.5-coder-1.5b")
    assert len(first["made_by"]["prompts"]) == 12
    assert "draft.relevance_floor=0.31" in first["made_by"]["settings"]


def test_forgotten_citations_are_a_regression(case: Kept, baseline: Outcome) -> None:
    bare = with_sentences(case, lambda p: tuple(s.model_copy(update={"passages": ()}) for s in p.sentences))
    lines = list(regressions(baseline, outcome(bare)))
    fallen = {line.split(":")[0] for line in lines}
    assert fallen >= {"citation_recall", "citation_precision", "point_coverage"}
    assert not fallen & {"plan_conformity", "french", "redundancy", "exhibits_present"}
    assert len(lines) == len(fallen), "one line a metric"


def test_a_prompt_that_forgets_to_ask_for_citations_is_a_regression(case: Kept, baseline: Outcome) -> None:
    def reply(prompt: Prompt) -> str:
        return prompt.request.removeprefix("Rédige ceci, sans source : ")

    model = ScriptedModel(reply, style="section")

    def rewritten(paragraph: Paragraph) -> tuple[Sentence, ...]:
        if not paragraph.sentences:
            return ()
        text = " ".join(s.text for s in paragraph.sentences)
        [said] = answers(model, [Prompt("", (), f"Rédige ceci, sans source : {text}", stop="")], 500)
        return tuple(Sentence(text=part, passages=(), claim="method") for part in sentences(said.text))

    fallen = {line.split(":")[0] for line in regressions(baseline, outcome(with_sentences(case, rewritten)))}
    assert len(model.asked) > 50
    assert fallen >= {"citation_recall", "citation_precision", "point_coverage"}


def test_one_worse_paragraph_in_other_drafts_is_chance_and_in_the_same_is_not(case: Kept, baseline: Outcome) -> None:
    spoilt = next(spoilt for spoilt in faults.sentence(faults.uncited)(case, random.Random(3))).case
    found = outcome(spoilt)
    assert found["drafts"] != baseline["drafts"]
    assert list(regressions(baseline, found)) == []
    same = {**found, "drafts": baseline["drafts"]}
    assert any(line.startswith("citation_recall: 1.000 (n = 181) -> 0.994") for line in regressions(baseline, same))


def test_a_metric_that_is_no_longer_measured_is_told(case: Kept, baseline: Outcome) -> None:
    found = outcome(case)
    found = {**found, "metrics": {name: m for name, m in found["metrics"].items() if name != "french"}}
    assert list(regressions(baseline, found)) == ["french: 1.000 -> not measured"]


def test_the_sign_test_is_exact() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == 1 / 32
    assert sign_test(3, 3) == pytest.approx(42 / 64)
    assert sign_test(9, 1) == pytest.approx(11 / 1024)

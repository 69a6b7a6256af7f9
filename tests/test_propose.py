"""What a model proposes where the rules find nothing: quotes found again, the rest dropped, marked as the model's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import prompts
from pipeline.llm import Prompt, answers
from pipeline.llm.llamacpp import LlamaCpp
from pipeline.propose import _QUESTIONS, kept, propose
from pipeline.records import Document, Tender
from pipeline.tender.versions import origin_of
from tests.fakes import ScriptedModel

Build = Callable[..., Document]
WORDS = "Les propositions se départagent au tarif, qui vaut six dixièmes (6), puis à la qualité du service (4)."


@pytest.fixture
def letter(make_document: Build) -> Document:
    return make_document(
        ("heading", "Lettre de consultation"),
        ("paragraph", "Le parc naturel des Hautes Combes lance une consultation pour la reliure de ses registres."),
        ("paragraph", f"Choix et critères. {WORDS}"),
    )


def answer(prompt: Prompt) -> str:
    if "critères" in prompt.request.split("\n")[0]:
        return json.dumps([{"citation": "tarif", "poids": "6"}, {"citation": "délai inventé", "poids": "4"}])
    if "acheteur" in prompt.request.split("\n")[0]:
        return '["parc naturel des Hautes Combes"]'
    return "[]"


def test_only_quotes_that_are_found_again_are_kept(letter: Document) -> None:
    model = ScriptedModel(answer)
    tender = propose(Tender(object="reliure"), [letter], lambda: model)
    assert tender.buyer == "parc naturel des Hautes Combes"
    assert [(c.label, c.weight, c.page) for c in tender.criteria] == [("tarif", 6, 1)]
    assert origin_of(tender, "buyer", tender.buyer) == "model"
    assert origin_of(tender, "criteria", tender.criteria[0]) == "model"
    assert not any("l'objet" in prompt.request for prompt in model.asked), "the rules found it: not asked"
    assert all(prompt.grammar for prompt in model.asked)


def test_a_weight_that_does_not_stand_by_its_quote_is_dropped(letter: Document) -> None:
    model = ScriptedModel(lambda _: '[{"citation":"tarif","poids":"9"}]')
    assert propose(Tender(object="a", buyer="b", reference="c"), [letter], lambda: model).criteria == ()


def test_no_model_is_loaded_where_nothing_is_missing(letter: Document) -> None:
    whole = propose(Tender(object="x"), [letter], lambda: ScriptedModel(answer))
    full = whole.model_copy(update={"reference": "r", "plan": ()})

    def never() -> ScriptedModel:
        raise AssertionError("nothing to ask")

    # the letter speaks of no mémoire: its plan is not asked for
    assert propose(full, [letter], never) == full


def test_proposals_outlive_a_reading_without_model(letter: Document) -> None:
    before = propose(Tender(), [letter], lambda: ScriptedModel(answer))
    again = kept(before, Tender(object="trouvé par les règles"))
    assert again.buyer == before.buyer
    assert origin_of(again, "buyer", again.buyer) == "model"


def test_the_prompt_golden() -> None:
    prompt = prompts.render("read.propose", wanted="l'acheteur public", passage="Ligne.")
    assert prompt.request == "Cherche : l'acheteur public\nPassage :\nLigne."
    assert len(prompt.examples) == 2


@pytest.mark.weights
def test_a_grammar_holds_the_real_model_to_its_form(model_path: Callable[[str], Path], manifest: object) -> None:
    name = "qwen2.5-coder-0.5b-instruct-q4_k_m"
    path = model_path(name)
    entry = manifest.find(name)  # type: ignore[attr-defined]
    chat = manifest.chat(entry)  # type: ignore[attr-defined]
    model = LlamaCpp(path, entry.sha256, chat, context=2048, parallel=2)
    question = next(q for q in _QUESTIONS if q.field == "criteria")
    free = Prompt("Tu es bavard.", (), "Raconte une histoire.")
    held = Prompt("Tu es bavard.", (), "Raconte une histoire.", grammar=question.grammar)
    loose, strict = answers(model, [free, held], 60)
    model.close()
    assert loose.text
    assert not loose.text.startswith("[")
    assert strict.text.startswith("[")
    if strict.complete:
        assert isinstance(json.loads(strict.text), list)

"""The real weights: that they load, answer, and answer in a batch as their protocol says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import machine
from pipeline.embed import FolderEmbedder
from pipeline.errors import MemoryShortError, ModelError
from pipeline.llm import Prompt, answers
from pipeline.llm.llamacpp import LlamaCpp
from pipeline.weights import Manifest

pytestmark = pytest.mark.weights
LARGE, SMALL = "qwen2.5-coder-1.5b-instruct-q4_k_m", "qwen2.5-coder-0.5b-instruct-q4_k_m"
SYSTEM = "Réponds en français par une phrase."
COPIES = (("Le dépôt se trouve à Nîmes.", "Le dépôt se trouve à Nîmes."), ("Il y a 3 sites.", "Il y a 3 sites."))
EXAMPLES = (("Capitale de l'Italie ?", "La capitale de l'Italie est Rome."),)


@pytest.fixture(scope="module")
def model(manifest: Manifest, model_path: Callable[[str], Path]) -> LlamaCpp:
    entry = manifest.find(LARGE)
    return LlamaCpp(model_path(LARGE), entry.sha256, manifest.chat(entry), context=1024, parallel=4)


@pytest.fixture(scope="module")
def embedder(manifest: Manifest, model_path: Callable[[str], Path]) -> FolderEmbedder:
    name = "multilingual-e5-small"
    return FolderEmbedder(model_path(name), manifest.find(name).sha256, 8)


def test_answers_come_in_the_order_asked_and_are_reproducible(model: LlamaCpp) -> None:
    places = ("Arras", "Brest", "Cahors", "Dinan", "Évreux", "Figeac")
    prompts = [Prompt(SYSTEM, COPIES, f"L'agence se trouve à {place}.") for place in places]
    counted = 0

    def count(tokens: int) -> None:
        nonlocal counted
        counted += tokens

    replies = answers(model, prompts, 24, count)
    for reply, place in zip(replies, places, strict=True):
        assert place in reply.text
        assert reply.complete
    assert counted >= sum(reply.tokens for reply in replies)
    assert answers(model, prompts, 24) == replies


def test_what_prompts_share_is_evaluated_once(model: LlamaCpp) -> None:
    prompts = [Prompt(SYSTEM, EXAMPLES, f"Écris le nombre {number}.") for number in range(4)]
    answers(model, prompts[:1], 4)
    before = model.usage.evaluated
    answers(model, prompts[1:], 4)
    assert model.usage.evaluated - before < 3 * 40


def test_a_document_cannot_open_a_turn(model: LlamaCpp) -> None:
    forged = model._tokens("<|im_end|>")
    assert len(forged) > 1
    assert len(model._tokens("<|im_end|>", special=True)) == 1


def test_a_prompt_too_long_is_refused(model: LlamaCpp) -> None:
    with pytest.raises(ModelError, match=r"llm\.context"):
        answers(model, [Prompt(SYSTEM, (), "mot " * 2000)], 8)
    assert answers(model, [Prompt(SYSTEM, EXAMPLES, "Capitale de la Grèce ?")], 16)[0].text


def test_too_little_memory_is_said_before_loading(
    manifest: Manifest, model_path: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory_available", lambda: 200_000_000)
    entry = manifest.find(LARGE)
    with pytest.raises(MemoryShortError, match=r"0,2 Go libres"):
        LlamaCpp(model_path(LARGE), entry.sha256, manifest.chat(entry), context=512)


def test_a_second_model_works_by_its_name(manifest: Manifest, model_path: Callable[[str], Path]) -> None:
    entry = manifest.find(SMALL)
    small = LlamaCpp(model_path(SMALL), entry.sha256, manifest.chat(entry), context=512, parallel=1)
    assert "Paris" in answers(small, [Prompt(SYSTEM, EXAMPLES, "Capitale de la France ?")], 16)[0].text
    small.close()


def test_vectors_are_unit_and_near_in_meaning(embedder: FolderEmbedder) -> None:
    passages = embedder.embed(
        ["Le plan de reprise d'activité est testé deux fois par an.", "Les agents suivent une formation bureautique."],
        "passage",
    )
    question = embedder.embed(["Quand teste-t-on le PRA ?"], "query")
    assert passages.shape == (2, 384)
    assert passages.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(passages, axis=1), 1, atol=1e-5)
    assert (passages @ question[0]).argmax() == 0
    assert embedder.embed([], "query").shape == (0, 384)

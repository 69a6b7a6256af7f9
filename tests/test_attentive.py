"""Points read with the language model, from within: what is read, in which order, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from pipeline import prompts, reader, run
from pipeline.cli import app
from pipeline.errors import ModelError, SettingsError
from pipeline.handed import cover_document
from pipeline.llm import Prompt
from pipeline.llm.hidden import HiddenStates
from pipeline.points import FEATURES, VERDICTS, Asked, Said
from pipeline.reader import AGAIN, LAYER, PROMPT, Reader, read_attentively, states_of
from pipeline.records import Block, PlanNode, Tender
from pipeline.settings import Settings
from pipeline.weights import Manifest
from pipeline.workspace import create
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder

ASKED = [Asked("1", f"Point {n} : astreinte et délais", "Support", "Exploitation" if n else "") for n in range(3)]
SAID = [Said("1", f"Paragraphe {n} : l'astreinte répond en {n} minutes.") for n in range(9)]


class Seen:
    """A model whose states say which paragraph and which question were put together."""

    sha256 = "0" * 64

    def __init__(self) -> None:
        self.passages: list[Prompt] = []
        self.questions: list[list[str]] = []

    def states(self, passage: Prompt, questions: Sequence[str]) -> npt.NDArray[np.float32]:
        self.passages.append(passage)
        self.questions.append(list(questions))
        number = float(passage.request.split("Paragraphe ")[2][0])
        return np.array([[number, float(q.split("Point ")[2][0])] for q in questions], np.float32)


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Coefficients for the model above: whatever the states say is « covered »."""
    weights = np.zeros((len(VERDICTS), len(FEATURES) + 2))
    path = tmp_path / "reader.json"
    kept = {
        "model": "essai", "identity": Reader(Seen()).identity, "features": FEATURES, "weights": weights.tolist(),
        "biases": [0, 0, 5], "covered_from": 0.5, "partial_from": 0.5,
    }  # fmt: skip
    path.write_text(json.dumps(kept), encoding="utf-8")
    monkeypatch.setattr(reader, "MODEL", path)
    reader.calibration.cache_clear()
    yield path
    reader.calibration.cache_clear()


# --- what is read ------------------------------------------------------------------------------------------


def test_each_paragraph_is_read_once_for_all_its_points_and_states_keep_their_places() -> None:
    model = Seen()
    pairs = [(2, 7), (0, 3), (1, 7), (0, 7), (1, 3)]
    told: list[tuple[int, int]] = []
    states = states_of(pairs, ASKED, SAID, Reader(model), lambda done, of: told.append((done, of)))
    assert states.tolist() == [[paragraph, point] for point, paragraph in pairs]
    assert [len(questions) for questions in model.questions] == [2, 3]
    assert told == [(1, 2), (2, 2)]


def test_only_the_likeliest_paragraphs_of_a_point_are_read(fitted: Path) -> None:
    model = Seen()
    found = read_attentively(ASKED, SAID, HashEmbedder(), Reader(model))
    assert {point: sum(r.point == point for r in found) for point in range(3)} == dict.fromkeys(range(3), AGAIN)
    assert all(reading.verdict == "covered" for reading in found)
    assert read_attentively([], SAID, HashEmbedder(), Reader(model)) == []
    assert read_attentively(ASKED, [], HashEmbedder(), Reader(model)) == []


def test_a_document_is_scored_with_it(fitted: Path) -> None:
    plan = (PlanNode(number="1", title="Support", level=1, prefix="1", points=tuple(one.text for one in ASKED)),)
    blocks = [
        Block(kind="heading", text="1 Support", level=1),
        *(Block(kind="paragraph", text=f"{one.text} Nous en répondons.") for one in SAID),
    ]
    report = cover_document(Tender(plan=plan), blocks, HashEmbedder(), {}, None, Reader(Seen()))
    assert [point.verdict for point in report.sections[0].points] == ["covered"] * 3


def test_a_model_it_was_not_fitted_for_is_refused(fitted: Path) -> None:
    fitted.write_text(fitted.read_text(encoding="utf-8").replace('"identity": "0', '"identity": "1'), encoding="utf-8")
    with pytest.raises(ModelError, match="essai"):
        read_attentively(ASKED, SAID, HashEmbedder(), Reader(Seen()))


def test_a_paragraph_is_one_line_and_the_prompt_the_golden_one(golden: Callable[[str, str], None]) -> None:
    model = Seen()
    Reader(model).states("Paragraphe 4 :\n\nx\n<|im_end|>", ASKED[:2])
    passage, questions = model.passages[0], model.questions[0]
    assert "« Paragraphe 4 : x <|im_end|> »" in passage.request
    turns = [passage.system, *(text for pair in passage.examples for text in pair), passage.request, *questions]
    golden(f"{PROMPT}.txt", "\n\n-----\n\n".join(turns) + "\n")


def test_the_coefficients_shipped_are_those_of_the_prompt_shipped() -> None:
    kept = json.loads(reader.MODEL.read_text(encoding="utf-8"))
    assert kept["identity"].split("/")[1:] == [str(LAYER), prompts.fingerprint(PROMPT)[:12]]
    assert reader.calibration(kept["identity"]).weights.shape[0] == len(VERDICTS)


# --- what is refused ---------------------------------------------------------------------------------------


def test_a_server_cannot_be_seen_from_within() -> None:
    with (
        pytest.raises(ModelError, match="sur cette machine"),
        run.attentive_reader(Settings(llm={"url": "http://127.0.0.1:1", "model": "m"})),
    ):
        pass


def test_drafts_are_not_read_so(tmp_path: Path) -> None:
    create(tmp_path / "d", [CORPUS / "dce"], [])
    found = CliRunner().invoke(app, ["eval", str(tmp_path / "d"), "--attentive"])
    assert isinstance(found.exception, SettingsError)
    assert "--document" in found.exception.remedy


# --- the real weights --------------------------------------------------------------------------------------


@pytest.mark.weights
def test_states_are_the_same_alone_or_together(manifest: Manifest, model_path: Callable[[str], Path]) -> None:
    name = "qwen2.5-coder-0.5b-instruct-q4_k_m"
    entry = manifest.find(name)

    def opened(layer: int) -> HiddenStates:
        return HiddenStates(model_path(name), entry.sha256, manifest.chat(entry), context=4096, layer=layer)

    with closing(opened(LAYER)) as model:
        seeing = Reader(model)
        together = seeing.states("Deux agents tiennent l'astreinte de nuit.", ASKED)
        alone = np.concatenate([seeing.states("Deux agents tiennent l'astreinte de nuit.", [one]) for one in ASKED])
        other = seeing.states("Le siège est à Brest.", ASKED)
        assert together.shape == (3, 2 * model.width)
        assert 4 * np.abs(together - alone).mean() < np.abs(together - other).mean()
        assert (seeing.states("Deux agents tiennent l'astreinte de nuit.", ASKED) == together).all()
        with pytest.raises(ModelError, match="contexte"):
            model.states(Prompt("", (), "mot " * 5000), ["Quoi ?"])
    with closing(opened(99)) as model, pytest.raises(ModelError, match="l_out-99"):
        model.states(Prompt("", (), "Bonjour."), ["Quoi ?"])

"""`memoire eval --judge`: a model's verdicts beside the scorers', which do not move."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evals.kept import kept_dossier
from pipeline import cli, run
from pipeline.export.text import report_to_html
from pipeline.llm import Prompt
from pipeline.records import CoverageReport
from pipeline.workspace import Dossier
from tests.fakes import HashEmbedder, ScriptedModel

Memoire = Callable[..., tuple[int, str, str]]


class Model(ScriptedModel):
    """Says of half the paragraphs that they answer, its first words for proof; a fifth of its replies make no sense."""

    def __init__(self) -> None:
        super().__init__(self._reply)
        self.closed = False

    def _reply(self, prompt: Prompt) -> str:
        text = prompt.request.split("Paragraphe : ")[1]
        if len(text) % 5 == 0:
            return "Je pense que oui."
        verdict = "oui" if len(text) % 2 else "non"
        return json.dumps({"citation": " ".join(text.split()[:4]), "verdict": verdict}, ensure_ascii=False)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def dossier(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    return kept_dossier(tmp_path_factory.mktemp("judged") / "sample")


@pytest.fixture(scope="module")
def plain(dossier: Dossier) -> CoverageReport:
    return run.evaluate_dossier(dossier)


@pytest.fixture
def memoire(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Memoire:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["memoire", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def test_the_judge_changes_nothing_else_and_says_the_same_again(dossier: Dossier, plain: CoverageReport) -> None:
    assert plain.judge is None
    judged = run.judge_dossier(dossier, plain, Model(), 2)
    assert judged.model_copy(update={"judge": None}) == plain
    assert judged.mark == plain.mark
    assert run.judge_dossier(dossier, plain, Model(), 2).model_dump_json() == judged.model_dump_json()
    told = judged.judge
    assert told is not None
    asked = {(s.number, p.text) for s in plain.sections for p in s.points if p.verdict in ("covered", "partial")}
    assert {(p.number, p.point) for p in told.points} >= asked, "every point that has an answer is asked about"
    assert {p.judged for p in told.points} == {"covered", "missing", "unscored"}
    assert all(p.unscored for p in told.points if p.judged == "unscored")
    assert told.disagreements
    assert all(p.scored != p.judged for p in told.disagreements)


def test_the_page_shows_both_verdicts_and_warns(dossier: Dossier, plain: CoverageReport) -> None:
    judged = run.judge_dossier(dossier, plain, Model(), 1)
    page = report_to_html(judged, "x")
    assert judged.judge is not None
    assert page.count('<tr class="differs">') == len(judged.judge.disagreements)
    assert judged.judge.caution in page
    assert "Second avis" not in report_to_html(plain, "x")


def test_any_document_is_judged_on_the_paragraphs_that_the_report_names(dossier: Dossier, tmp_path: Path) -> None:
    from pipeline.export.word import to_docx

    path = tmp_path / "humain.docx"
    path.write_bytes(to_docx(run.memoire_of(dossier)))
    report = run.evaluate_document(dossier, path, HashEmbedder())
    model = Model()
    judged = run.judge_document(dossier, path, report, model, 1).judge
    assert judged is not None
    assert len(model.asked) == sum(len(p.paragraphs) for s in report.sections for p in s.points) > 0


def test_the_command_prints_both_as_json_and_as_a_table(
    dossier: Dossier, plain: CoverageReport, memoire: Memoire, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[Model] = []

    def load(_: object) -> Model:
        models.append(Model())
        return models[-1]

    monkeypatch.setattr(run, "load_model", load)
    code, out, _ = memoire("eval", str(dossier.root), "--judge", "--runs", "2", "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert models[0].closed
    assert set(told["judge"]) == {
        "model", "sha256", "prompt_sha256", "runs", "caution", "points", "agreement", "spread",
    }  # fmt: skip
    assert set(told["judge"]["points"][0]) == {
        "number", "section", "point", "scored", "judged", "agreement", "quotes", "unscored",
    }  # fmt: skip
    assert told["judge"]["runs"] == 2
    assert told["metrics"] == json.loads(plain.model_dump_json())["metrics"]
    code, out, _ = memoire("eval", str(dossier.root), "--judge")
    assert code == 0
    assert "Désaccords" in out
    assert "3 passages" in out
    assert "Indicatif" in out
    code, out, _ = memoire("eval", str(dossier.root), "--format", "json")
    assert (code, json.loads(out)["judge"], len(models)) == (0, None, 2)
    code, _, err = memoire("eval", str(dossier.root), "--judge", "--runs", "7")
    assert code == 2
    assert len(err.strip().splitlines()) == 1

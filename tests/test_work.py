"""What each kind of job does, on the sample dossier, without weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.jobs import Job
from api.work import WORK
from api.worker import Task
from pipeline import run, settings
from pipeline.apart import StopAskedError
from pipeline.errors import DossierError
from pipeline.export.word import to_docx
from pipeline.llm import Feed, Prompt, Reply, Tick
from pipeline.records import CoverageReport, Review
from pipeline.workspace import Dossier, create, read_consultation
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel

Told = list[tuple[str, int, int]]
Do = Callable[..., dict[str, Any]]


def echo(prompt: Prompt) -> str:
    return prompt.request.split("Extrait : ")[1].split("\n")[0]


class Ticking(ScriptedModel):
    """Tells its tokens as it goes, as real ones do."""

    def stream(self, feed: Feed, max_tokens: int, progress: Tick | None = None) -> Iterator[tuple[int, Reply]]:
        for key, reply in super().stream(feed, max_tokens, progress):
            if progress:
                progress(reply.tokens)
            yield key, reply


def choose(dossier: Dossier, tree: settings.Settings, deliverable: str | None, tell: Any) -> run.Choice:
    return run.choose(dossier, HashEmbedder(), tree, deliverable, tell)


@pytest.fixture
def dossier(tmp_path: Path) -> Dossier:
    return create(tmp_path / "slh", [CORPUS / "dce"], [CORPUS / "library"])[0]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def do(dossier: Dossier, told: Told, monkeypatch: pytest.MonkeyPatch) -> Do:
    """Does one job in this process."""
    monkeypatch.setattr(run, "load_embedder", lambda tree: HashEmbedder())
    monkeypatch.setattr(run, "load_model", lambda tree: Ticking(echo))
    monkeypatch.setattr(run, "choose_apart", choose)

    def once(kind: str, stop: Callable[[str, int], bool] = lambda what, done: False, **params: Any) -> dict[str, Any]:
        job = Job.model_validate(
            {
                **dict.fromkeys(("finished", "progress", "result", "error")),
                **{"id": "1", "dossier": "slh", "kind": kind, "params": params, "lane": "l", "state": "running"},
                **{"by": "anne", "created": "2026-01-01T00:00:00+00:00", "started": None, "attempts": 0},
            }
        )

        def tell(what: str, done: int, of: int) -> None:
            told.append((what, done, of))
            if stop(what, done):
                raise StopAskedError

        done = WORK[job.kind](Task(job, dossier.root, settings.load(dossier.root), tell))
        assert json.loads(json.dumps(done)) == done
        return done

    return once


def test_every_kind_on_the_sample_dossier(dossier: Dossier, told: Told, do: Do) -> None:
    read = do("prepare")
    assert read["titles"] == len(read_consultation(dossier).plan) > 0
    assert read["unread"] == []
    assert read["passages"]["dce"] > 100
    assert {"lecture", "indexation"} <= {what for what, _, _ in told}

    told.clear()
    drafted = do("draft", sections=["1"])
    assert drafted["drafted"]
    assert all(number.startswith("1") for number in drafted["drafted"])
    sentences = [(done, of) for what, done, of in told if what == "rédaction"]
    assert sentences == sorted(sentences)
    assert sentences[-1][0] >= sentences[-1][1] - 1
    again = do("draft", sections=["1"])
    assert again == {"drafted": [], "up_to_date": drafted["drafted"]}

    written = do("export", format="md", chapter="1")
    assert (written["file"], written["pages"]) == ("memoire-chapitre-1.md", None)
    assert (dossier.export / written["file"]).read_text(encoding="utf-8")

    score = do("evaluate")
    report = CoverageReport.model_validate_json((dossier.export / "evaluation.json").read_text(encoding="utf-8"))
    assert report.metrics["weighted_coverage"].value == score["coverage"]
    assert "<html" in (dossier.export / "couverture.html").read_text(encoding="utf-8")

    packed = do("pack", candidate="Ostréane")
    assert (packed["file"], packed["complete"]) == ("pli.zip", False)
    assert (dossier.export / packed["page"]).is_file()

    filled = do("frames")
    assert filled["files"] == ["cadre-de-prix.xlsx"]
    assert (dossier.export / "cadres" / "cadre-de-prix.xlsx").is_file()


def test_a_review_keeps_the_comparison_and_the_tracked_word(dossier: Dossier, do: Do) -> None:
    do("prepare")
    do("draft", sections=["1"])
    received = dossier.root / "reviews" / "recus"
    received.mkdir()
    (received / "relu.docx").write_bytes(to_docx(run.memoire_of(dossier)))
    done = do("review", file="relu.docx")
    reviews = dossier.root / "reviews"
    assert Review.model_validate_json((reviews / f"{done['review']}.json").read_text(encoding="utf-8")).acceptance == 1
    assert (reviews / done["tracked"]).read_bytes().startswith(b"PK")
    with pytest.raises(DossierError, match="reçus"):
        do("review", file="autre.docx")


def test_a_draft_that_is_stopped_stops_at_the_next_sentence_and_keeps_what_is_whole(
    dossier: Dossier, told: Told, do: Do
) -> None:
    do("prepare")
    with pytest.raises(StopAskedError):
        do("draft", stop=lambda what, done: what == "rédaction" and done > 100)
    assert [done for what, done, _ in told if what == "rédaction" and done > 100] == [
        next(done for what, done, _ in told if what == "rédaction" and done > 100)
    ]
    kept = {line["section"] for line in dossier.journal() if line["what"] == "draft"}
    rest = do("draft")
    assert kept
    assert set(rest["up_to_date"]) == kept
    assert not kept & set(rest["drafted"])

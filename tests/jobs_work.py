"""What jobs do in the tests of the worker, in place of api/work.py: short, told by what is asked, without weights."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from api.worker import Task
from pipeline.errors import DossierError

STEP = 0.05


def _steps(task: Task, seconds: float) -> None:
    count = max(1, round(seconds / STEP))
    for step in range(count):
        task.tell("essai", step, count)
        time.sleep(STEP)


def prepare(task: Task) -> dict[str, Any]:
    """Tells its process, then takes three seconds."""
    (task.root / "process").write_text(str(os.getpid()), encoding="utf-8")
    _steps(task, 3)
    return {"nice": os.nice(0)}


def evaluate(task: Task) -> dict[str, Any]:
    """Done at once; says when, and that it ran."""
    with (task.root / "ran").open("a", encoding="utf-8") as stream:
        stream.write(f"{task.job.id}\n")
    return {"at": time.time()}


def export(task: Task) -> dict[str, Any]:
    """Native code that breaks."""
    os.abort()


def pack(task: Task) -> dict[str, Any]:
    """Native code that heeds nothing."""
    time.sleep(60)
    return {}


def frames(task: Task) -> dict[str, Any]:
    raise DossierError("Rien à remplir", where=task.root / "dce", remedy="Ajoutez un cadre.")


def review(task: Task) -> dict[str, Any]:
    (task.root / "absent" / "page.html").write_text("", encoding="utf-8")
    return {}


def draft(task: Task) -> dict[str, Any]:
    """The real drafting of the sample dossier, with a model that repeats its excerpts, slowly."""
    from api import work
    from pipeline import run
    from pipeline.llm import Feed, Prompt, Reply, Tick
    from tests.fakes import HashEmbedder, ScriptedModel

    class Slow(ScriptedModel):
        def stream(self, feed: Feed, max_tokens: int, progress: Tick | None = None) -> Iterator[tuple[int, Reply]]:
            for answer in super().stream(feed, max_tokens, progress):
                time.sleep(0.01)
                if progress:
                    progress(answer[1].tokens)
                yield answer

    def echo(prompt: Prompt) -> str:
        return prompt.request.split("Extrait : ")[1].split("\n")[0]

    def choose(dossier: Any, settings: Any, deliverable: Any, tell: Any) -> run.Choice:
        return run.choose(dossier, HashEmbedder(), settings, deliverable, tell)

    run.choose_apart = choose  # type: ignore[assignment]
    run.load_model = lambda settings: Slow(echo)  # type: ignore[assignment, return-value]
    return work.draft(task)


WORK = {
    "prepare": prepare,
    "draft": draft,
    "export": export,
    "frames": frames,
    "pack": pack,
    "evaluate": evaluate,
    "review": review,
}

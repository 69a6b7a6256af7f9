"""Durable jobs: fair, one at a time where they must be, cancelled, put back, lost by nothing; with real processes."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.jobs import FINAL, Job, JobProgress, Jobs
from api.params import Kind
from api.problems import Conflict, Invalid, NotFound
from api.tickets import FILE, QueueError, Tickets, store_of
from pipeline import run, settings
from pipeline.errors import SettingsError
from pipeline.workspace import create, open_dossier
from tests.conftest import CORPUS, ROOT
from tests.fakes import HashEmbedder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / ".serveur"
    folder.mkdir()
    return folder


@pytest.fixture
def jobs(state: Path) -> Iterator[Jobs]:
    with contextlib.closing(Jobs(state)) as opened:
        yield opened


def ask(jobs: Jobs, dossier: str, kind: Kind = "evaluate", lane: str | None = None, **params: Any) -> Job:
    return jobs.submit(dossier, kind, params, lane=lane or f"{dossier}:{kind}", by="anne")


# --- records ---


def test_a_dossier_with_many_jobs_does_not_keep_another_waiting(jobs: Jobs) -> None:
    for _ in range(200):
        ask(jobs, "long", "draft", "llm:m")
    ask(jobs, "court", "draft", "llm:m")
    ask(jobs, "autre", "draft", "llm:m")
    served = []
    for _ in range(6):
        job = jobs.claim()
        assert job is not None
        jobs.end(job.id, "done")
        served.append(job.dossier)
    assert served == ["long", "court", "autre", "long", "long", "long"]
    assert jobs.counts()["queued"] == 196


def test_the_dossier_served_longest_ago_comes_next_and_its_oldest_job_first(jobs: Jobs) -> None:
    asked = [ask(jobs, dossier) for dossier in ("a", "a", "b", "b", "c")]
    claimed = []
    while job := jobs.claim():
        jobs.end(job.id, "done")
        claimed.append(job.id)
    a1, a2, b1, b2, c1 = (job.id for job in asked)
    assert claimed == [a1, b1, c1, a2, b2]


def test_one_job_a_lane_and_one_prepare_or_draft_a_dossier(jobs: Jobs) -> None:
    first = ask(jobs, "a", "draft", "llm:m")
    same_lane = ask(jobs, "b", "draft", "llm:m")
    ask(jobs, "a", "prepare", "embedder")
    free = ask(jobs, "a", "export")
    elsewhere = ask(jobs, "c", "prepare", "embedder")
    begun = [job.id for job in iter(jobs.claim, None)]
    assert set(begun) == {first.id, free.id, elsewhere.id}
    jobs.end(first.id, "done")
    jobs.end(elsewhere.id, "done")
    after = [job.id for job in iter(jobs.claim, None)]
    assert after == [same_lane.id, next(job.id for job in jobs.active("a") if job.kind == "prepare")]


def test_the_same_key_gives_the_same_job_and_never_another(jobs: Jobs, state: Path) -> None:
    def again(by: str = "anne", key: str | None = "k1", **params: Any) -> Job:
        return jobs.submit("a", "draft", params, lane="llm:m", by=by, key=key)

    first = again(sections=["1"])
    assert again(sections=["1"]) == first
    assert again(by="paul", sections=["1"]).id != first.id
    assert again(key=None, sections=["1"]).id != again(key=None, sections=["1"]).id
    with pytest.raises(Conflict):
        again(sections=["2"])
    with contextlib.closing(sqlite3.connect(state / "memoire.db")) as db, db:
        db.execute("UPDATE job_keys SET created = '2020-01-01T00:00:00+00:00' WHERE owner = 'anne'")
    assert again(sections=["2"]).id != first.id


def test_the_record_of_an_ended_job_goes_after_half_a_year(jobs: Jobs, state: Path) -> None:
    old, recent, waiting = (ask(jobs, name) for name in ("ancien", "récent", "attend"))
    for job in (old, recent):
        claimed = jobs.claim()
        assert claimed
        assert claimed.id == job.id
        jobs.end(job.id, "done")
    with contextlib.closing(sqlite3.connect(state / "memoire.db")) as db, db:
        db.execute("UPDATE jobs SET created = '2020-01-01T00:00:00+00:00' WHERE dossier != 'récent'")
        db.execute("UPDATE jobs SET finished = '2020-01-01T00:00:00+00:00' WHERE dossier = 'ancien'")
    asked = ask(jobs, "nouveau")
    assert {job.id for job in jobs.listed()} == {waiting.id, recent.id, asked.id}


def test_a_job_is_found_in_its_dossier_only(jobs: Jobs) -> None:
    mine, other = ask(jobs, "a"), ask(jobs, "b")
    assert jobs.get("a", mine.id) == mine
    assert jobs.get("b", mine.id) is None
    assert jobs.listed() == [other, mine]
    assert jobs.listed("a") == jobs.active("a") == [mine]
    with pytest.raises(NotFound):
        jobs.cancel("b", mine.id)
    assert jobs.get("a", mine.id) == mine


def test_a_wrong_parameter_is_named_and_makes_no_job(jobs: Jobs) -> None:
    for kind, params, field in [
        ("draft", {"sections": ["../../etc"]}, "sections.0"),
        ("draft", {"instruction": "x" * 2001}, "instruction"),
        ("review", {"file": "../autre.docx"}, "file"),
        ("review", {}, "file"),
        ("export", {"format": "exe"}, "format"),
        ("evaluate", {"inconnu": 1}, "inconnu"),
    ]:
        with pytest.raises(Invalid) as refused:
            jobs.submit("a", kind, params, lane="l", by="anne")  # type: ignore[arg-type]
        assert refused.value.field == field
    assert jobs.listed() == []


def test_a_queued_job_is_cancelled_at_once_and_an_ended_one_stays(jobs: Jobs) -> None:
    job = ask(jobs, "a")
    assert jobs.cancel("a", job.id).state == "cancelled"
    assert jobs.claim() is None
    ended = ask(jobs, "a")
    jobs.claim()
    jobs.end(ended.id, "done", result={"file": "m.docx"})
    assert jobs.cancel("a", ended.id).state == "done"


def test_a_job_that_takes_three_workers_with_it_is_given_up(jobs: Jobs) -> None:
    job, cancelled = ask(jobs, "a"), ask(jobs, "b")
    states = []
    for _ in range(3):
        while jobs.claim():
            pass
        jobs.cancel("b", cancelled.id)
        jobs.recover()
        found = jobs.get("a", job.id)
        assert found is not None
        states.append((found.state, found.attempts))
    assert states == [("queued", 1), ("queued", 2), ("failed", 3)]
    assert found.error
    assert "3 fois" in found.error
    assert (gone := jobs.get("b", cancelled.id))
    assert gone.state == "cancelled"


def test_a_queue_that_does_not_answer_makes_no_job(jobs: Jobs, state: Path) -> None:
    with contextlib.closing(sqlite3.connect(state / FILE)) as db, db:
        db.execute("DROP TABLE task")
    with pytest.raises(QueueError):
        ask(jobs, "a")
    assert jobs.listed() == []


def test_watching_gives_each_change_and_ends(jobs: Jobs) -> None:
    job = ask(jobs, "a")

    async def watched() -> list[Job]:
        seen = []
        async for found in jobs.watch("a", job.id):
            seen.append(found)
            if found.state == "queued":
                jobs.claim()
            elif found.progress is None and found.state == "running":
                jobs.tell(job.id, JobProgress(what="essai", done=1, of=2))
            elif found.state == "running":
                jobs.end(job.id, "done", result={})
        return seen

    seen = asyncio.run(watched())
    assert [found.state for found in seen] == ["queued", "running", "running", "done"]
    assert seen[2].progress == JobProgress(what="essai", done=1, of=2)


def test_200_requests_at_once_become_200_jobs_each_claimed_once(jobs: Jobs) -> None:
    claimed: list[str] = []

    def one(number: int) -> str:
        return jobs.submit(f"d{number % 10}", "evaluate", {}, lane=f"voie {number % 7}", by="anne").id

    def work() -> None:
        while len(claimed) < 200:
            if job := jobs.claim():
                claimed.append(job.id)
                jobs.end(job.id, "done")

    with ThreadPoolExecutor(24) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        asked = list(pool.map(one, range(200)))
        for future in workers:
            future.result(timeout=120)
    assert len(set(asked)) == 200
    assert sorted(claimed) == sorted(asked)
    assert jobs.counts()["done"] == 200


# --- where tickets lie ---


def test_the_setting_chooses_where_tickets_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huey import RedisHuey, SqliteHuey
    from huey.contrib.sql_huey import SqlHuey

    monkeypatch.setitem(sys.modules, "psycopg", types.ModuleType("psycopg"))
    assert store_of(tmp_path, "")[:2] == (SqliteHuey, {"filename": str(tmp_path / "huey.db")})
    redis = "redis://h:6379/1"
    assert store_of(tmp_path, redis)[:2] == (RedisHuey, {"url": redis, "blocking": False})
    postgres = "postgresql://u@h/b"
    assert store_of(tmp_path, postgres)[:2] == (SqlHuey, {"database": postgres})
    with pytest.raises(SettingsError, match=r"serve\.queue"):
        store_of(tmp_path, "mysql://h/b")


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("redis://h", "redis.exceptions", "redis"), ("postgresql://h/b", "psycopg", "postgres")],
)
def test_missing_packages_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"memoire\[{extra}\]"):
        Jobs(tmp_path, url)


def test_a_redis_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    tickets = Tickets(tmp_path, "redis://127.0.0.1:1/0")
    with pytest.raises(QueueError, match="ne répond pas"):
        tickets.put()


# --- the worker ---

CODE = """
import sys
from pathlib import Path
from api.worker import run_worker
from pipeline import settings
from pipeline.errors import MemoireError
try:
    run_worker(Path(sys.argv[1]), settings.load(), work="tests.jobs_work:WORK")
except MemoireError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begins a real worker over tmp_path."""
    begun: list[subprocess.Popen[str]] = []

    def begin(at_once: int = 2) -> subprocess.Popen[str]:
        environment = {**os.environ, "MEMOIRE_SERVE__WORKERS": str(at_once)}
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(tmp_path)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about in time")


def ended(jobs: Jobs, job: Job) -> Job:
    return until(lambda: (found := jobs.get(job.dossier, job.id)) and found.state in FINAL and found)  # type: ignore[no-any-return]


def running(jobs: Jobs, job: Job) -> Job:
    """Once its process has told something of its own."""
    return until(  # type: ignore[no-any-return]
        lambda: (found := jobs.get(job.dossier, job.id)) and found.progress and found.progress.what == "essai" and found
    )


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended but that nobody has asked after does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def dossier(tmp_path: Path, *names: str) -> None:
    for name in names:
        (tmp_path / name).mkdir()


def test_a_job_is_done_with_its_progress_and_result_and_gives_way(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a")
    worker()
    job = running(jobs, ask(jobs, "a", "prepare"))
    assert job.progress
    assert job.progress.of == 60
    done = ended(jobs, job)
    assert (done.state, done.error, done.attempts) == ("done", None, 0)
    assert done.result == {"nice": min(19, os.nice(0) + 10)}


def test_what_fails_is_one_french_line_and_the_worker_lives(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a")
    process = worker()
    crash, refused, disk = ask(jobs, "a", "export"), ask(jobs, "a", "frames"), ask(jobs, "a", "review", file="m.docx")
    assert "code -6" in (ended(jobs, crash).error or "")
    assert ended(jobs, refused).error == "Rien à remplir (a/dce). Ajoutez un cadre."
    assert ended(jobs, disk).error == "Écriture ou lecture impossible : No such file or directory (a/absent/page.html)."
    assert ended(jobs, ask(jobs, "a")).state == "done"
    assert process.poll() is None


def test_a_running_job_is_cancelled_within_the_second(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a")
    worker()
    job = running(jobs, ask(jobs, "a", "prepare"))
    began = time.monotonic()
    jobs.cancel("a", job.id)
    assert ended(jobs, job).state == "cancelled"
    assert time.monotonic() - began < 1


def test_a_job_that_heeds_nothing_is_ended_after_a_while(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a")
    worker()
    job = ask(jobs, "a", "pack")
    until(lambda: (found := jobs.get("a", job.id)) and found.progress)
    began = time.monotonic()
    jobs.cancel("a", job.id)
    assert ended(jobs, job).state == "cancelled"
    assert 4 < time.monotonic() - began < 8


def test_a_worker_asked_to_stop_puts_its_job_back(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a")
    process = worker()
    job = running(jobs, ask(jobs, "a", "prepare"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    back = jobs.get("a", job.id)
    assert back
    assert (back.state, back.attempts, back.progress) == ("queued", 0, None)
    assert not alive(int((tmp_path / "a" / "process").read_text()))
    worker()
    assert ended(jobs, job).state == "done"


def test_a_killed_worker_leaves_no_process_and_loses_no_job(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a", "b")
    process = worker(1)
    job = running(jobs, ask(jobs, "a", "prepare"))
    waiting = ask(jobs, "b")
    process.kill()
    child = int((tmp_path / "a" / "process").read_text())
    until(lambda: not alive(child), 2)
    worker(1)
    again = ended(jobs, job)
    assert (again.state, again.attempts) == ("done", 1)
    assert ended(jobs, waiting).state == "done"


def test_only_one_worker_serves_a_folder(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    dossier(tmp_path, "a")
    worker()
    ended(jobs, ask(jobs, "a"))
    second = worker()
    _, said = second.communicate(timeout=20)
    assert second.returncode != 0
    assert "Un autre service" in said


def test_jobs_asked_at_once_are_each_done_once_by_the_worker(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    count = 30
    names = [f"d{number}" for number in range(10)]
    dossier(tmp_path, *names)
    process = worker(4)

    def one(number: int) -> str:
        return jobs.submit(names[number % 10], "evaluate", {}, lane=f"voie {number % 7}", by="anne").id

    with ThreadPoolExecutor(20) as pool:
        asked = list(pool.map(one, range(count)))
    assert len(set(asked)) == count
    until(lambda: jobs.counts()["done"] == count, 240)
    ran = collections.Counter(
        line for name in names for line in (tmp_path / name / "ran").read_text(encoding="utf-8").splitlines()
    )
    assert ran == dict.fromkeys(asked, 1)
    assert process.poll() is None


def test_a_draft_killed_in_the_middle_goes_on_with_no_section_lost_or_done_twice(
    tmp_path: Path, jobs: Jobs, worker: Callable[..., subprocess.Popen[str]]
) -> None:
    made, _ = create(tmp_path / "slh", [CORPUS / "dce"], [CORPUS / "library"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), settings.load())

    def drafted() -> list[str]:
        return [line["section"] for line in open_dossier(tmp_path / "slh").journal() if line["what"] == "draft"]

    process = worker()
    job = ask(jobs, "slh", "draft", "llm:m", force=True)
    until(lambda: len(drafted()) >= 3, 120)
    process.kill()
    process.wait()
    before = drafted()
    worker()
    done = ended(jobs, job)
    assert (done.state, done.attempts) == ("done", 1), done.error
    after = drafted()
    asked = next(line["sections"] for line in made.journal() if line["what"] == "schedule")
    assert 3 <= len(before) < len(asked)
    assert sorted(after) == sorted(asked)
    assert done.result
    assert sorted(done.result["drafted"]) == sorted(asked)
    assert done.result["up_to_date"] == []


def test_work_is_known_for_every_kind() -> None:
    from api.params import PARAMS
    from api.work import WORK

    known: Mapping[str, Any] = WORK
    assert set(known) == set(PARAMS)

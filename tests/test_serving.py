"""The server as a person starts it: real processes, on this machine's own address."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from api.jobs import Jobs
from api.server import create_server
from api.serving import greeting, is_loopback
from pipeline import settings
from tests.conftest import ROOT

CODE = "from pipeline.cli import main; main()"

Begin = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begins « memoire … »."""
    begun: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True, process_group=0
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def until(what: Callable[[], object], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def answers(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    return False


def worker_of(root: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int((root / ".serveur" / "worker.lock").read_text(encoding="utf-8"))
    return 0


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_server_answers_tells_where_and_stops_with_its_worker(
    tmp_path: Path, begin: Begin, port: int, number: int, code: int
) -> None:
    root = tmp_path / "dossiers"
    process = begin("serve", str(root), "--port", str(port))
    until(lambda: answers(port) and worker_of(root))
    assert (root / ".serveur").stat().st_mode & 0o777 == 0o700
    worker = worker_of(root)
    # as Ctrl-C does in a terminal: to the whole group
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=15)
    assert process.returncode == code
    assert f"http://127.0.0.1:{port}" in said
    assert f"memoire users add NOM --root {root}" in said
    assert "Traceback" not in said
    assert not runs(worker)


def test_a_worker_that_dies_is_begun_again_and_dies_with_the_server(tmp_path: Path, begin: Begin, port: int) -> None:
    process = begin("serve", str(tmp_path), "--port", str(port))
    until(lambda: answers(port) and worker_of(tmp_path))
    first = worker_of(tmp_path)
    os.kill(first, signal.SIGKILL)
    until(lambda: worker_of(tmp_path) not in (0, first))
    second = worker_of(tmp_path)
    process.kill()
    until(lambda: not runs(second), 5)


def test_a_job_asked_while_the_server_runs_is_ended(tmp_path: Path, begin: Begin, port: int) -> None:
    """By the real work: the dossier is not there, and the line says so without the server's paths."""
    begin("serve", str(tmp_path), "--port", str(port), "--workers", "1")
    until(lambda: answers(port))
    with contextlib.closing(Jobs(tmp_path / ".serveur")) as jobs:
        job = jobs.submit("absent", "evaluate", {}, lane="absent:evaluate", by="anne")
        until(lambda: (found := jobs.get("absent", job.id)) and found.state == "failed")
        found = jobs.get("absent", job.id)
    assert found
    assert found.error
    assert found.error.startswith("Ce n'est pas un dossier memoire")
    assert str(tmp_path) not in found.error


def test_a_port_that_is_taken_is_one_line_and_exit_2(tmp_path: Path, begin: Begin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = begin("serve", str(tmp_path), "--port", str(taken.getsockname()[1]))
        _, said = process.communicate(timeout=40)
    assert process.returncode == 2
    assert "--port" in said
    assert len(said.strip().splitlines()) == 1


def test_a_second_worker_says_so_and_leaves(tmp_path: Path, begin: Begin) -> None:
    first = begin("worker", str(tmp_path))
    until(lambda: worker_of(tmp_path) == first.pid)
    second = begin("worker", str(tmp_path))
    _, said = second.communicate(timeout=40)
    assert second.returncode == 2
    assert "Un autre service" in said
    first.send_signal(signal.SIGINT)
    assert first.wait(10) == 130


def test_an_open_address_is_warned_of_and_users_are_asked_for(tmp_path: Path) -> None:
    tree = settings.load(overrides=["serve.host=0.0.0.0"])
    server = create_server(tmp_path, [], tree)
    said = greeting(server, 8000, worker=False)
    server.jobs.close()
    assert any("rien n'y est chiffré" in line for line in said)
    assert any("memoire users add NOM" in line for line in said)
    assert any("memoire worker" in line for line in said)
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1")] == [
        True, True, True, False, False,
    ]  # fmt: skip

"""The real server under load: `python -m evals.bench_server [--seconds 30] [--requests 200]`

A server is started as `memoire serve` starts it, over two dossiers made of the sample one, each drafted with another
model (jobs of one model wait for each other). Measured, and held to (exit 1 where one falls short):

1. while two drafts run, the 95th percentile of the read routes at 20 requests a second is under 100 ms;
2. as many parallel draft requests as asked become as many jobs, all of them done or cancelled, none lost;
3. the server killed (kill -9, with its worker) in the middle of a draft and started again finishes it: every section is
   there, and none was drafted twice.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from api.client import Client
from api.identity import Identity
from api.server import STATE
from api.worker import LOCK
from pipeline.settings import ROOT

CORPUS = ROOT / "corpus"
MODELS = ("qwen2.5-coder-0.5b-instruct-q4_k_m", "qwen2.5-coder-1.5b-instruct-q4_k_m")
RATE = 20.0
"""Requests a second."""
TARGET = 0.1
"""Seconds."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long reads are sent")
    parser.add_argument("--requests", type=int, default=200, help="draft requests sent at once")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dossiers"
        key = _key(root)
        with _served(root, key) as (client, _):
            for name, model in zip(("premier", "second"), MODELS, strict=True):
                made = client.create(name, sorted((CORPUS / "dce").iterdir()))
                assert client.wait(made["id"], made["job"]["id"])["state"] == "done"
                (root / name / "settings.toml").write_text(f'[llm]\nmodel = "{model}"\n')
            quick = _reads(client, chosen.seconds)
            whole = _parallel(client, chosen.requests)
        resumed = _killed(root, key)
    return 0 if quick and whole and resumed else 1


def _key(root: Path) -> str:
    (root / STATE).mkdir(parents=True)
    identity = Identity(root / STATE / "memoire.db")
    identity.add_user("mesure", admin=True)
    return identity.add_key("mesure", "mesure", None)[1]


@contextmanager
def _served(root: Path, key: str) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    """A server of its own on a free port, ended when the block ends; its whole group goes with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("memoire")), "serve", str(root), "--port", str(port)]
    command += ["--library", str(CORPUS / "library")]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _until_up(url, process)
        with Client(url, key) as client:
            yield client, process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def _until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            if process.poll() is not None:
                raise SystemExit(f"the server ended with {process.returncode}") from None
        time.sleep(0.1)
    raise SystemExit("the server did not start within 30 s")


def _reads(client: Client, seconds: float) -> bool:
    """Reads at a steady rate, each at its own moment whatever the last one took, while two drafts run."""
    drafts = [(name, client.ask(name, "draft", force=True)["id"]) for name in ("premier", "second")]
    _until_running(client, drafts)
    number = client.sections("premier")[1]["number"]
    routes = [
        "/v1/dossiers",
        "/v1/dossiers/premier",
        "/v1/dossiers/premier/tender",
        "/v1/dossiers/premier/sections",
        f"/v1/dossiers/premier/sections/{number}/text",
        "/v1/dossiers/premier/jobs",
        "/v1/dossiers/premier/files",
        "/v1/dossiers/premier/exports",
        "/v1/models",
        "/v1/me",
    ]
    took: dict[str, list[float]] = {route: [] for route in routes}
    statuses: Counter[int] = Counter()

    def read(route: str, due: float) -> None:
        time.sleep(max(0.0, due - time.perf_counter()))
        answer = client._http.get(route)
        took[route].append(time.perf_counter() - due)  # from when it was due: a queue that grows is seen
        statuses[answer.status_code] += 1

    began = time.perf_counter() + 0.2
    with ThreadPoolExecutor(32) as pool:
        for n in range(int(seconds * RATE)):
            pool.submit(read, routes[n % len(routes)], began + n / RATE)
    running = [client.job(*draft)["state"] == "running" for draft in drafts]
    for name, draft in drafts:
        client.cancel(name, draft)
        client.wait(name, draft)
    for route, times in took.items():
        print(f"  {1000 * np.percentile(times, 50):6.1f} ms  {1000 * np.percentile(times, 95):6.1f} ms  {route}")
    every = [one for times in took.values() for one in times]
    p95 = float(np.percentile(every, 95))
    told = f"median {1000 * np.median(every):.1f} ms, p95 {1000 * p95:.1f} ms, highest {1000 * max(every):.0f} ms"
    print(f"reads: {len(every)} at {RATE:.0f}/s, {told}, statuses {dict(statuses)}, drafts still running: {running}")
    return p95 < TARGET and set(statuses) == {200} and all(running)


def _until_running(client: Client, drafts: Sequence[tuple[str, str]]) -> None:
    """Until both write sentences: choosing their sources comes before."""
    for name, draft in drafts:
        while True:
            job = client.job(name, draft)
            if job["state"] in ("done", "failed", "cancelled"):
                raise SystemExit(f"draft of {name}: {job['state']} {job['error']}")
            if job["state"] == "running" and (job["progress"] or {}).get("what", "").startswith("rédaction"):
                break
            time.sleep(0.2)


def _parallel(client: Client, requests: int) -> bool:
    """Draft requests all at once; then all cancelled but two, which end by themselves."""
    number = client.sections("premier")[1]["number"]

    def one(n: int) -> tuple[str, str]:
        name = ("premier", "second")[n % 2]
        return name, client.ask(name, "draft", sections=[number], key=f"mesure-{n}")["id"]

    started = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        made = list(pool.map(one, range(requests)))
        again = list(pool.map(one, range(requests)))  # the same keys: the same jobs
    seconds = time.perf_counter() - started
    left = [*made[:2]]
    for name, draft in made[2:]:
        client.cancel(name, draft)
    states = Counter(client.wait(name, draft)["state"] for name, draft in made)
    told = f"{len(set(made))} jobs of {requests} requests, the same again: {again == made}, {dict(states)}"
    print(f"parallel: {told}, {seconds:.1f} s for both times")
    done = [client.job(*draft)["state"] == "done" for draft in left]
    return len(set(made)) == requests and again == made and sum(states.values()) == requests and all(done)


def _killed(root: Path, key: str) -> bool:
    """kill -9 of the server and its worker while sections land; then started again."""
    name = "premier"
    drafts = root / name / "drafts"
    with _served(root, key) as (client, process):
        job = client.ask(name, "draft", force=False)["id"]
        before = len(list(drafts.glob("*.json")))
        while len(list(drafts.glob("*.json"))) < before + 3:
            assert client.job(name, job)["state"] in ("queued", "running"), client.job(name, job)
            time.sleep(0.1)
        worker = int((root / STATE / LOCK).read_text())
        os.killpg(process.pid, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        process.wait()
        landed = len(list(drafts.glob("*.json")))
    with _served(root, key) as (client, _):
        ended = client.wait(name, job, 900)
        wanted = [s["number"] for s in client.sections(name) if s["points"]]
        there = [s["number"] for s in client.sections(name) if s["status"] != "empty"]
    lines = [json.loads(line) for line in (root / name / "journal.jsonl").read_text().splitlines()]
    last = max(n for n, line in enumerate(lines) if line["what"] == "schedule" and len(line["sections"]) > 1)
    first = max(n for n, line in enumerate(lines[:last]) if line["what"] == "schedule")
    times = Counter(line["section"] for line in lines[first:] if line["what"] == "draft")
    twice = [number for number, count in times.items() if count > 1]
    lost = [number for number in wanted if number not in there]
    print(f"killed with {landed} sections on disk; then {ended['state']} at attempt {ended['attempts']}: ", end="")
    print(f"{len(there)} of {len(wanted)} sections, lost {lost}, drafted twice {twice}")
    return ended["state"] == "done" and not lost and not twice


if __name__ == "__main__":
    sys.exit(main())

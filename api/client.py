"""A small Python client of the API: `Client("http://127.0.0.1:8000", key)`; the README shows it at work.

Every refusal of the server is raised as :class:`RefusedError`, with its stable code and its French sentence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

FINAL = ("done", "failed", "cancelled")


class RefusedError(Exception):
    """The server said no: ``status``, ``code`` (stable) and ``problem`` (RFC 9457, as sent)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail") or f"HTTP {status}")
        self.status, self.code, self.problem = status, str(problem.get("code", "")), problem


class Client:
    """One server, one key. Methods return what the API's JSON says, as it says it."""

    def __init__(
        self, url: str, key: str, *, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        """``timeout`` in seconds, of a request; jobs are waited for with :meth:`wait`."""
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    # --- dossiers

    def dossiers(self) -> list[dict[str, Any]]:
        """The dossiers this key may see."""
        return self._json("GET", "/v1/dossiers")  # type: ignore[no-any-return]

    def create(self, name: str, files: Sequence[Path]) -> dict[str, Any]:
        """A new dossier from the buyer's files or a ZIP of them, being read: ``{"id", "job", "left_out"}``."""
        return self._send("/v1/dossiers", files, "files", {"name": name})

    def dossier(self, dossier: str) -> dict[str, Any]:
        """Where a dossier stands."""
        return self._json("GET", f"/v1/dossiers/{dossier}")  # type: ignore[no-any-return]

    def tender(self, dossier: str) -> dict[str, Any]:
        """What the buyer imposes, with people's corrections."""
        return self._json("GET", f"/v1/dossiers/{dossier}/tender")  # type: ignore[no-any-return]

    def correct(self, dossier: str, pointer: str, value: Any) -> dict[str, Any]:
        """Correct one value of the reading, named by its JSON pointer."""
        sent = {"corrections": [{"pointer": pointer, "value": value}]}
        return self._json("PATCH", f"/v1/dossiers/{dossier}/tender", json=sent)  # type: ignore[no-any-return]

    def search(self, dossier: str, question: str, k: int = 5) -> list[dict[str, Any]]:
        """The best passages of the DCE and the library."""
        return self._json("GET", f"/v1/dossiers/{dossier}/search", params={"q": question, "k": k})["hits"]  # type: ignore[no-any-return]

    # --- sections

    def sections(self, dossier: str) -> list[dict[str, Any]]:
        """The imposed plan, with where each section stands."""
        return self._json("GET", f"/v1/dossiers/{dossier}/sections")  # type: ignore[no-any-return]

    def section(self, dossier: str, number: str) -> dict[str, Any]:
        """A section with its sentences, their sources and the findings."""
        return self._json("GET", f"/v1/dossiers/{dossier}/sections/{number}")  # type: ignore[no-any-return]

    def text(self, dossier: str, number: str) -> dict[str, Any]:
        """A section as a person edits it: ``{"text", "sha256", "sources"}``."""
        return self._json("GET", f"/v1/dossiers/{dossier}/sections/{number}/text")  # type: ignore[no-any-return]

    def put_text(self, dossier: str, number: str, text: str, base: str | None = None) -> dict[str, Any]:
        """Put a person's text; ``base``, the ``sha256`` it was made from, guards against another's change."""
        sent = {"text": text, "base": base}
        return self._json("PUT", f"/v1/dossiers/{dossier}/sections/{number}/text", json=sent)  # type: ignore[no-any-return]

    def lock(self, dossier: str, number: str) -> dict[str, Any]:
        """Keep a section to oneself."""
        return self._json("PUT", f"/v1/dossiers/{dossier}/sections/{number}/lock")  # type: ignore[no-any-return]

    # --- jobs

    def ask(self, dossier: str, kind: str, key: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask for work: ``ask("x", "draft", sections=["4.2"])``; ``key`` makes asking twice harmless."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._json("POST", f"/v1/dossiers/{dossier}/jobs", json={"kind": kind, **params}, headers=headers)  # type: ignore[no-any-return]

    def job(self, dossier: str, job: str) -> dict[str, Any]:
        """Where a job stands."""
        return self._json("GET", f"/v1/dossiers/{dossier}/jobs/{job}")  # type: ignore[no-any-return]

    def cancel(self, dossier: str, job: str) -> dict[str, Any]:
        """Stop a job; what it finished stays."""
        return self._json("POST", f"/v1/dossiers/{dossier}/jobs/{job}/cancel")  # type: ignore[no-any-return]

    def follow(self, dossier: str, job: str) -> Iterator[dict[str, Any]]:
        """The job at each change, until it ends."""
        with self._http.stream("GET", f"/v1/dossiers/{dossier}/jobs/{job}/events", timeout=None) as answer:
            if answer.is_error:
                answer.read()
                self._checked(answer)
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def wait(self, dossier: str, job: str, seconds: float = 600.0) -> dict[str, Any]:
        """The job once it has ended. Raises TimeoutError after ``seconds``."""
        until = time.monotonic() + seconds
        while (found := self.job(dossier, job))["state"] not in FINAL:
            if time.monotonic() > until:
                raise TimeoutError(f"{job} is still {found['state']} after {seconds:.0f} s")
            time.sleep(0.2)
        return found

    # --- documents

    def review(self, dossier: str, document: Path) -> dict[str, Any]:
        """Compare a corrected Word document: the job, whose result names the review."""
        return self._send(f"/v1/dossiers/{dossier}/reviews", [document], "file", {})

    def evaluation(self, dossier: str) -> dict[str, Any]:
        """The last evaluation."""
        return self._json("GET", f"/v1/dossiers/{dossier}/evaluation")  # type: ignore[no-any-return]

    def download(self, dossier: str, name: str, target: Path) -> Path:
        """Save a file made by a job (its result's ``file``)."""
        address = f"/v1/dossiers/{dossier}/exports/content"
        with self._http.stream("GET", address, params={"name": name}) as answer:
            if answer.is_error:
                answer.read()
                self._checked(answer)
            with target.open("wb") as stream:
                for chunk in answer.iter_bytes():
                    stream.write(chunk)
        return target

    # --- within

    def _send(self, address: str, files: Sequence[Path], field: str, data: Mapping[str, str]) -> dict[str, Any]:
        with ExitStack() as opened:
            parts = [(field, (path.name, opened.enter_context(path.open("rb")))) for path in files]
            return self._json("POST", address, files=parts, data=dict(data))  # type: ignore[no-any-return]

    def _json(self, method: str, address: str, **given: Any) -> Any:
        return self._checked(self._http.request(method, address, **given)).json()

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_error:
            told = answer.headers.get("content-type", "").startswith("application/problem+json")
            raise RefusedError(answer.status_code, answer.json() if told else {})
        return answer

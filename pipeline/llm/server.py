"""A server that speaks the OpenAI protocol (llama-server, vLLM), on this machine or another of the firm's.

Only loopback and private addresses are asked (RFC 1918, RFC 4193): nothing of a tender goes to the open internet. As
many requests run at once as the settings say. A request that fails for a passing reason (no connection, 408, 429, 5xx,
no token for too long) is sent again after a pause that doubles, or the one the server asks for.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import httpx

from pipeline.errors import ModelError
from pipeline.llm import Feed, Prompt, Reply, Style, Tick

PASSING = frozenset([408, 425, 429, 500, 502, 503, 504])
"""HTTP statuses worth another try."""
LONGEST_PAUSE = 60.0
"""Seconds; a server that asks for more gets another try sooner."""
T = TypeVar("T")


class _PassingError(Exception):
    """A failure that may not happen again; carries the pause the server asks for, in seconds, if it asks."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class OpenAiServer:
    """``url`` is the server's root (« http://127.0.0.1:8080 »); ``timeout`` the longest wait for one token, in seconds.

    Raises ModelError where the address is public, the server does not answer or does not have the model.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str = "",
        parallel: int = 8,
        timeout: float = 60.0,
        retries: int = 3,
        style: Style = "section",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.name = model
        self.style = style
        _private(self.url)
        self._parallel, self._retries, self._pause = parallel, retries, pause
        limits = httpx.Timeout(10.0, read=timeout)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=limits, headers=headers, trust_env=False)
        served = self._try(self._models)
        if model not in served:
            raise ModelError(
                f"Le serveur ne connaît pas le modèle « {model} »",
                where=self.url,
                remedy=f"Modèles servis : {', '.join(sorted(served)) or 'aucun'} (réglage llm.model).",
            )
        self.sha256 = hashlib.sha256(f"{self.url} {model}".encode()).hexdigest()

    def stream(self, feed: Feed, max_tokens: int, progress: Tick | None = None) -> Iterator[tuple[int, Reply]]:
        stopped = threading.Event()
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="llm") as pool:
            running: dict[Future[Reply], int] = {}
            try:
                while True:
                    while len(running) < self._parallel and (given := feed()) is not None:
                        key, prompt = given
                        running[pool.submit(self._answer, prompt, max_tokens, stopped)] = key
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in sorted(done, key=lambda future: running[future]):
                        reply = future.result()
                        if progress:
                            progress(reply.tokens)
                        yield running.pop(future), reply
            finally:
                stopped.set()
                for future in running:
                    future.cancel()

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _answer(self, prompt: Prompt, max_tokens: int, stopped: threading.Event) -> Reply:
        messages = [{"role": "system", "content": prompt.system}]
        for asked, answered in prompt.examples:
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        messages.append({"role": "user", "content": prompt.request})
        body: dict[str, Any] = {
            "model": self.name,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0,
            "seed": 0,
            "stream": True,
        }
        if prompt.stop:
            body["stop"] = [prompt.stop]
        if prompt.grammar:
            body["grammar"] = prompt.grammar  # llama-server; vLLM reads guided_grammar
            body["guided_grammar"] = prompt.grammar
        return self._try(lambda: self._stream(body, stopped))

    def _stream(self, body: dict[str, Any], stopped: threading.Event) -> Reply:
        pieces: list[str] = []
        reason = None
        with self._client.stream("POST", f"{self.url}/v1/chat/completions", json=body) as response:
            _refuse(response)
            for line in response.iter_lines():
                if stopped.is_set():
                    break
                data = line.removeprefix("data:").strip()
                if not line.startswith("data:") or data == "[DONE]":
                    continue
                choice = (json.loads(data).get("choices") or [{}])[0]
                pieces.append(choice.get("delta", {}).get("content") or "")
                reason = choice.get("finish_reason") or reason
        if reason is None and not stopped.is_set():
            raise _PassingError("la réponse s'est interrompue")
        tokens = sum(bool(piece) for piece in pieces)
        return Reply(text="".join(pieces).strip(), tokens=tokens, complete=reason == "stop")

    def _models(self) -> set[str]:
        response = self._client.get(f"{self.url}/v1/models")
        _refuse(response)
        return {item["id"] for item in response.json()["data"]}

    def _try(self, call: Callable[[], T]) -> T:
        """``call()``, again after a pause where it fails for a passing reason."""
        for attempt in range(self._retries + 1):
            try:
                return call()
            except (_PassingError, httpx.TransportError) as error:
                if attempt == self._retries:
                    cause = str(error) or type(error).__name__
                    raise ModelError(
                        f"Le serveur de modèle ne répond pas après {attempt + 1} essais : {cause}",
                        where=self.url,
                        remedy="Vérifiez qu'il tourne, et les réglages llm.url et llm.timeout.",
                    ) from error
                asked = error.pause if isinstance(error, _PassingError) else None
                self._pause(min(LONGEST_PAUSE, asked if asked is not None else 0.5 * 2**attempt))
            except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                raise ModelError(
                    "Le serveur ne parle pas le protocole d'OpenAI",
                    where=self.url,
                    remedy="Corrigez le réglage llm.url : c'est la racine d'un llama-server ou d'un vLLM.",
                ) from error
        raise AssertionError("unreachable")


def _refuse(response: httpx.Response) -> None:
    """Raises _PassingError or ModelError unless the server has accepted the request."""
    if response.status_code in PASSING:
        asked = response.headers.get("retry-after", "")
        raise _PassingError(f"état HTTP {response.status_code}", float(asked) if asked.isdigit() else None)
    if response.is_error:
        response.read()
        raise ModelError(
            f"Le serveur de modèle refuse la demande (état HTTP {response.status_code}) : {response.text[:200]}",
            where=str(response.url),
            remedy="Vérifiez les réglages llm.model, llm.key et llm.context.",
        )


def _private(url: str) -> None:
    """Raises ModelError where the address is not one of the firm's own."""
    try:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise httpx.InvalidURL(url)
    except httpx.InvalidURL as error:
        raise ModelError(
            f"« {url} » n'est pas une adresse", remedy="Écrivez par exemple llm.url=http://127.0.0.1:8080."
        ) from error
    try:
        found = {info[4][0] for info in socket.getaddrinfo(parsed.host, parsed.port or 80)}
    except OSError as error:
        raise ModelError(f"Serveur introuvable : {parsed.host}", remedy="Corrigez le réglage llm.url.") from error
    public = sorted(str(address) for address in found if not ipaddress.ip_address(address).is_private)
    if public:
        raise ModelError(
            f"« {parsed.host} » ({public[0]}) est une adresse publique : rien ne sort des machines de l'entreprise",
            remedy="Donnez à llm.url une adresse locale ou privée.",
        )

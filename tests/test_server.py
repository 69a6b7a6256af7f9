"""A model server spoken to over real HTTP: streamed answers, passing failures, refusals, public addresses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.llm import Prompt, answers
from pipeline.llm.server import OpenAiServer

Answer = Callable[["Served", dict[str, Any], BaseHTTPRequestHandler], None]


class Served(ThreadingHTTPServer):
    """A server of the OpenAI protocol that answers as the test says."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked, self.at_once, self.most = answer, list[dict[str, Any]](), 0, 0
        self.guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Served

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: failures are seen by the client."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "grand"}]}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        served = self.server
        with served.guard:
            served.asked.append(body)
            served.at_once += 1
            served.most = max(served.most, served.at_once)
        try:
            served.answer(served, body, self)
        finally:
            with served.guard:
                served.at_once -= 1


def said(handler: BaseHTTPRequestHandler, pieces: list[str], reason: str | None = "stop") -> None:
    """Stream an answer in pieces; without reason it breaks off."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n".encode())
    if reason:
        handler.wfile.write(
            f"data: {json.dumps({'choices': [{'delta': {}, 'finish_reason': reason}]})}\n\ndata: [DONE]\n\n".encode()
        )


def echo(served: Served, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.05)
    said(handler, ["Réponse à ", body["messages"][-1]["content"]])


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Served]]:
    made: list[Served] = []

    def start(answer: Answer) -> Served:
        made.append(Served(answer))
        threading.Thread(target=made[-1].serve_forever, args=(0.01,), daemon=True).start()
        return made[-1]

    yield start
    for served in made:
        served.shutdown()
        served.server_close()


def connect(served: Served, **options: Any) -> OpenAiServer:
    return OpenAiServer(served.url, "grand", pause=lambda _: None, **options)


def prompt(text: str) -> Prompt:
    return Prompt("Réponds.", (("a", "b"),), text)


def test_answers_come_back_in_order_with_as_many_requests_at_once_as_set(serve: Callable[[Answer], Served]) -> None:
    served = serve(echo)
    model = connect(served, parallel=3)
    replies = answers(model, [prompt(f"n° {n}") for n in range(9)], 50)
    assert [reply.text for reply in replies] == [f"Réponse à n° {n}" for n in range(9)]
    assert all(reply.complete and reply.tokens == 2 for reply in replies)
    assert 1 < served.most <= 3
    assert served.asked[0]["temperature"] == 0
    assert [message["role"] for message in served.asked[0]["messages"]] == ["system", "user", "assistant", "user"]
    model.close()


def test_a_passing_failure_is_tried_again_after_the_pause_asked(serve: Callable[[Answer], Served]) -> None:
    failures = [429, 503]
    pauses: list[float] = []

    def answer(served: Served, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        if failures:
            handler.send_response(failures.pop(0))
            if len(failures) == 1:
                handler.send_header("retry-after", "7")
            handler.end_headers()
        elif len(served.asked) == 3:
            said(handler, ["coupé"], reason=None)
        else:
            said(handler, ["Bonjour."])

    served = serve(answer)
    model = OpenAiServer(served.url, "grand", pause=pauses.append)
    assert answers(model, [prompt("x")], 10)[0].text == "Bonjour."
    assert pauses == [7.0, 1.0, 2.0]
    model.close()


@pytest.mark.parametrize(
    ("status", "message"), [(503, "après 2 essais"), (400, "refuse la demande"), (401, "refuse la demande")]
)
def test_what_does_not_pass_is_one_clear_error(serve: Callable[[Answer], Served], status: int, message: str) -> None:
    def answer(served: Served, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.end_headers()

    model = connect(serve(answer), retries=1)
    with pytest.raises(ModelError, match=message):
        answers(model, [prompt("x")], 10)
    model.close()


def test_a_server_that_stops_talking_is_given_up(serve: Callable[[Answer], Served]) -> None:
    def answer(served: Served, body: dict[str, Any], handler: BaseHTTPRequestHandler) -> None:
        said(handler, ["Un"], reason=None)
        time.sleep(1)

    model = connect(serve(answer), retries=0, timeout=0.2)
    with pytest.raises(ModelError, match="ne répond pas"):
        answers(model, [prompt("x")], 10)
    model.close()


def test_an_answer_cut_by_the_limit_says_so(serve: Callable[[Answer], Served]) -> None:
    model = connect(serve(lambda served, body, handler: said(handler, ["Un début"], reason="length")))
    assert not answers(model, [prompt("x")], 2)[0].complete
    model.close()


def test_closing_stops_at_once(serve: Callable[[Answer], Served]) -> None:
    served = serve(echo)
    model = connect(served, parallel=2)
    waiting = iter(range(1000))
    stream = model.stream(lambda: (n, prompt("x")) if (n := next(waiting, None)) is not None else None, 10)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(served.asked) < 10
    model.close()


def test_an_unknown_model_names_those_served(serve: Callable[[Answer], Served]) -> None:
    with pytest.raises(ModelError, match="grand"):
        OpenAiServer(serve(echo).url, "petit")


@pytest.mark.parametrize("url", ["http://8.8.8.8:8080", "https://1.1.1.1/v1"])
def test_nothing_goes_to_a_public_address(url: str) -> None:
    with pytest.raises(ModelError, match="adresse publique"):
        OpenAiServer(url, "grand")


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "", "ftp://127.0.0.1", "http://"])
def test_a_wrong_address_is_said(url: str) -> None:
    with pytest.raises(ModelError, match=r"llm\.url"):
        OpenAiServer(url, "grand")

"""The host's name, the size of bodies, the rate of requests, the headers of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api import limits
from api.limits import BODY, TRIES
from api.problems import MEDIA_TYPE
from tests.world import Clock, World, sign_in


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> World:
    return World(tmp_path / "dossiers", clock)


@pytest.fixture
def make_world(tmp_path: Path, clock: Clock) -> Callable[..., World]:
    return lambda *overrides: World(tmp_path / "dossiers", clock, *overrides)


def chunks(size: int) -> Iterator[bytes]:
    yield b'{"text": "'
    for _ in range(size // 1000):
        yield b"a" * 1000
    yield b'"}'


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_too_large_is_a_413(world: World, declared: bool) -> None:
    client = world.client("paul")
    headers = {"Content-Type": "application/json"}

    def post(size: int) -> Any:
        content = b"".join(chunks(size)) if declared else chunks(size)
        return client.post("/v1/echo", content=content, headers=headers)  # an iterator is sent without Content-Length

    assert post(BODY - 2000).status_code == 200
    answer = post(BODY + 2000)
    assert (answer.status_code, answer.json()["code"]) == (413, "trop-volumineux")
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_declared_too_large_is_not_read(world: World) -> None:
    read = 0

    def slow() -> Iterator[bytes]:
        nonlocal read
        read += 1
        yield b"a"

    headers = {"Content-Length": str(BODY + 1), "Content-Type": "application/json"}
    assert world.client("paul").post("/v1/echo", content=slow(), headers=headers).status_code == 413


def test_upload_mb_is_alive_and_only_for_those_known(make_world: Callable[..., World]) -> None:
    world = make_world("serve.upload_mb=3")
    client = world.client("paul")
    for size, status in ((2_900_000, 200), (3_100_000, 413)):
        answer = client.post("/v1/dossiers", files={"file": ("dce.zip", b"a" * size)})
        assert answer.status_code == status
    refused = world.client().post("/v1/dossiers", files={"file": ("dce.zip", b"a" * 2_900_000)})
    assert refused.status_code == 413
    page = client.post(
        "/ecrire", content=b"a" * (BODY + 1), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert page.status_code == 413
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Envoi trop volumineux</h1>" in page.text


def test_callers_who_ask_too_much_wait(make_world: Callable[..., World]) -> None:
    world = make_world("serve.rate_burst=5", "serve.rate_per_second=0.5")
    paul, rene = world.client("paul"), world.client("rene")
    assert [paul.get("/v1/me").status_code for _ in range(6)] == [200] * 5 + [429]
    refused = paul.get("/v1/me")
    assert (refused.headers["retry-after"], refused.json()["code"]) == ("2", "trop-de-demandes")
    assert rene.get("/v1/me").status_code == 200
    assert world.client(session="paul").get("/moi").status_code == 429
    world.clock.pass_(seconds=2)
    assert [paul.get("/v1/me").status_code for _ in range(2)] == [200, 429]
    assert [world.client().get("/health").status_code for _ in range(6)] == [200] * 5 + [429]


def test_the_default_rate_lets_300_at_once_then_50_a_second(world: World) -> None:
    client = world.client("paul")
    assert {client.get("/v1/me").status_code for _ in range(300)} == {200}
    assert client.get("/v1/me").status_code == 429
    world.clock.pass_(seconds=1)
    assert [client.get("/v1/me").status_code for _ in range(51)].count(200) == 50


def test_wrong_keys_are_few_and_shut_no_good_one_out(world: World) -> None:
    wrong = {"Authorization": "Bearer mk_000000000000_" + "a" * 43}
    client = world.client()
    assert [client.get("/v1/me", headers=wrong).status_code for _ in range(TRIES + 1)] == [401] * TRIES + [429]
    assert 1 <= int(client.get("/v1/me", headers=wrong).headers["retry-after"]) <= 6
    assert world.client("paul").get("/v1/me").status_code == 200
    elsewhere = world.client(client=("192.0.2.7", 1))
    assert elsewhere.get("/v1/me", headers=wrong).status_code == 401
    assert sign_in(client, "paul", world.keys["paul"]).status_code == 429
    world.clock.pass_(seconds=6)
    assert sign_in(client, "paul", world.keys["paul"]).status_code == 303


def test_sign_ins_are_few(world: World) -> None:
    client = world.client()
    statuses = [sign_in(client, "paul", "faux").status_code for _ in range(TRIES + 1)]
    assert statuses == [403] * TRIES + [429]
    assert client.get("/connexion").status_code == 200


def test_an_ipv6_subscriber_is_one_caller(make_world: Callable[..., World]) -> None:
    world = make_world("serve.rate_burst=2", "serve.rate_per_second=0.1")
    hosts = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3", "2001:db8:0:1::1"]
    assert [world.client(client=(h, 1)).get("/health").status_code for h in hosts] == [200, 200, 429, 200]


def test_the_callers_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALLERS", 100)
    buckets = limits._Buckets(1, 1, lambda: 0.0)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets._left) == 100
    assert buckets.take("999") == 1.0


@pytest.mark.parametrize(
    ("path", "status"),
    [("/health", 200), ("/v1/me", 401), ("/v1/broken", 500), ("/absent", 404), ("/connexion", 200), ("/moi", 303)],
)
def test_every_answer_has_the_headers(world: World, path: str, status: int) -> None:
    answer = world.client(raise_server_exceptions=False).get(path)
    assert answer.status_code == status
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_only_the_style_sheet_may_be_kept(world: World) -> None:
    answer = world.client().get("/static/memoire.css")
    assert "cache-control" not in answer.headers
    assert "content-security-policy" in answer.headers


def test_a_fault_of_ours_tells_nothing_of_the_tender(world: World) -> None:
    answer = world.client(raise_server_exceptions=False).get("/v1/broken")
    assert answer.json()["code"] == "erreur-interne"
    assert "marché" not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "testserver"]
)
def test_the_server_answers_to_its_names(world: World, host: str) -> None:
    assert world.client().get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "", "[::2]"])
def test_the_server_answers_to_no_other_name(world: World, host: str) -> None:
    answer = world.client().get("/v1/me", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "hote-refuse")
    page = world.client().get("/connexion", headers={"Host": host})
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")


def test_hosts_is_alive_beyond_loopback_too(make_world: Callable[..., World]) -> None:
    world = make_world("serve.host=0.0.0.0", "serve.hosts=memoire.firme.example,testserver")
    client = world.client()
    assert client.get("/health", headers={"Host": "memoire.firme.example"}).status_code == 200
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 400
    opened = World(world.server.root.parent / "ouvert", world.clock, "serve.host=0.0.0.0", "serve.hosts=")
    assert opened.client().get("/health", headers={"Host": "quelconque"}).status_code == 200

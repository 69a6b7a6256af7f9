"""Sign-in with an identity provider: a small real one on this machine's loopback, signing with a real key."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from api import oidc
from pipeline.errors import SettingsError
from tests.world import Clock, World

START = f"{oidc.PATH}/aller"


class Provider:
    """An identity provider of the code flow, which checks PKCE and the client's secret as a real one does. What a test
    changes of it is said in ``claims``, ``metadata`` and ``signing``."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "a", "use": "sig", "alg": "RS256"})
        self.signing = self.key
        self.claims: dict[str, Any] = {"preferred_username": "paul"}
        self.metadata: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.verified = 0
        """Codes exchanged with a PKCE verifier that fits."""
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    self._send(provider.described())
                else:
                    self._send({"keys": [provider.key.as_dict(private=False)]})

            def do_POST(self) -> None:
                body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._send(*provider.exchanged({name: values[0] for name, values in body.items()}, self.headers))

            def _send(self, value: object, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.metadata,
        }

    def agreed(self, address: str) -> str:
        """What a person signing in at ``address`` makes of it: the way back, with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == "memoire"
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) >= 20
        code = f"code{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchanged(self, sent: dict[str, str], headers: Any) -> tuple[dict[str, Any], int]:
        asked = self.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        basic = base64.b64encode(b"memoire:secret-du-test").decode()
        if asked is None or challenge != asked["code_challenge"] or headers["Authorization"] != f"Basic {basic}":
            return {"error": "invalid_grant"}, 400
        self.verified += 1
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": "memoire", "sub": "1", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            **self.claims,
        }  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "a"}, claims, self.signing)
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}, 200


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def make_world(tmp_path: Path, provider: Provider) -> Callable[..., World]:
    def make(*overrides: str) -> World:
        told = (f"serve.oidc_issuer={provider.issuer}", "serve.oidc_client_id=memoire")
        world = World(tmp_path / "dossiers", Clock(), *told, "serve.oidc_client_secret=secret-du-test", *overrides)
        world.app.mount(oidc.PATH, oidc.application(world.server))
        return world

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def round_trip(client: TestClient, provider: Provider, suite: str = "/moi") -> Any:
    start = client.get(START, params={"suite": suite})
    assert start.status_code == 302, start.text
    assert start.headers["location"].startswith(f"{provider.issuer}/authorize?")
    return client.get(provider.agreed(start.headers["location"]))


def refused(world: World, client: TestClient, answer: Any) -> None:
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text
    assert "memoire" not in client.cookies
    assert "sign-in-refused" in world.journal()


def test_a_known_user_comes_in(world: World, provider: Provider) -> None:
    client = world.client()
    assert f'href="{START}?suite=%2F"' in client.get("/connexion").text
    answer = round_trip(client, provider, "/moi?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/moi?a=1")
    assert provider.verified == 1
    session = world.identity.session(client.cookies["memoire"])
    assert session is not None
    assert session.user.name == "paul"
    assert '"how": "oidc"' in world.journal()


@pytest.mark.parametrize("name", ["inconnu", "", None, 3, ["paul"], "rene"])
def test_only_users_of_the_server_come_in(world: World, provider: Provider, name: object) -> None:
    world.identity.disable("rene")
    provider.claims = {"preferred_username": name}
    client = world.client()
    answer = round_trip(client, provider)
    refused(world, client, answer)
    assert "pas de ce serveur" in answer.text


@pytest.mark.parametrize(
    "claims",
    [{"nonce": "autre"}, {"aud": "autre"}, {"iss": "http://127.0.0.1:1"}, {"exp": 1000, "iat": 900}],
    ids=["nonce", "audience", "issuer", "expired"],
)
def test_a_token_that_is_not_for_us_is_refused(world: World, provider: Provider, claims: dict[str, Any]) -> None:
    provider.claims = {"preferred_username": "paul", **claims}
    client = world.client()
    refused(world, client, round_trip(client, provider))
    assert provider.verified == 1


def test_a_token_signed_by_another_is_refused(world: World, provider: Provider) -> None:
    provider.signing = RSAKey.generate_key(2048)
    client = world.client()
    refused(world, client, round_trip(client, provider))


def test_a_way_back_that_this_browser_did_not_start_is_refused(world: World, provider: Provider) -> None:
    start = world.client().get(START)
    address = provider.agreed(start.headers["location"])
    victim = world.client()
    refused(world, victim, victim.get(address))
    client = world.client()
    done = client.get(START)
    tampered = provider.agreed(done.headers["location"]).replace("state=", "state=x")
    refused(world, client, client.get(tampered))
    assert provider.verified == 0


def test_a_way_back_is_good_once(world: World, provider: Provider) -> None:
    client = world.client()
    address = provider.agreed(client.get(START).headers["location"])
    assert client.get(address).status_code == 303
    client.cookies.delete("memoire")
    refused(world, client, client.get(address))


def test_the_provider_s_own_refusal_is_told_in_french(world: World) -> None:
    client = world.client()
    answer = client.get(f"{oidc.PATH}/retour?error=access_denied&error_description=%3Cb%3ENo")
    refused(world, client, answer)
    assert "<b>" not in answer.text


def test_metadata_of_another_issuer_are_refused(world: World, provider: Provider) -> None:
    provider.metadata = {"issuer": "https://ailleurs.example"}
    client = world.client()
    refused(world, client, client.get(START))


def test_a_provider_that_is_down_is_told_in_french(world: World, provider: Provider) -> None:
    provider._http.shutdown()
    provider._http.server_close()
    client = world.client()
    answer = client.get(START)
    refused(world, client, answer)
    assert "ne répond pas" in answer.text


def test_the_page_after_is_one_of_ours(world: World, provider: Provider) -> None:
    assert round_trip(world.client(), provider, "//evil.example").headers["location"] == "/"


def test_oidc_claim_is_alive_and_an_unverified_address_names_nobody(
    make_world: Callable[..., World], provider: Provider
) -> None:
    world = make_world("serve.oidc_claim=email")
    world.identity.add_user("luc@firme.example")
    client = world.client()
    provider.claims = {"email": "luc@firme.example", "email_verified": False, "preferred_username": "paul"}
    refused(world, client, round_trip(client, provider))
    provider.claims["email_verified"] = True
    assert round_trip(client, provider).status_code == 303


def test_ways_back_are_few(world: World) -> None:
    client = world.client()
    statuses = [client.get(f"{oidc.PATH}/retour").status_code for _ in range(11)]
    assert statuses == [403] * 10 + [429]


def test_the_cookie_of_the_way_is_secure_over_https(world: World) -> None:
    for scheme, secure in (("https", True), ("http", False)):
        line = world.client(base_url=f"{scheme}://testserver").get(START).headers["set-cookie"].lower()
        assert ("; secure" in line) is secure
        assert "httponly" in line
        assert "path=/connexion/oidc" in line


@pytest.mark.parametrize(
    ("setting", "says"),
    [("serve.oidc_issuer=http://ailleurs.example", "https"), ("serve.oidc_client_id=", "oidc_client_id")],
)
def test_a_wrong_setting_is_told_when_the_server_starts(
    make_world: Callable[..., World], setting: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        make_world(setting)


def test_without_its_package_one_line_says_what_to_install(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "authlib.integrations.starlette_client", None)
    with pytest.raises(SettingsError, match=r"memoire\[oidc\]"):
        oidc.application(world.server)


def test_without_a_provider_the_page_offers_none(tmp_path: Path) -> None:
    assert oidc.PATH not in World(tmp_path / "d", Clock()).client().get("/connexion").text

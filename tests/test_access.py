"""Who gets in, who does not, and what is written of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api import openapi
from api.access import (
    Caller,
    visible,
)
from api.identity import Identity
from api.pages import signin
from api.problems import MEDIA_TYPE
from api.server import create_server
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


def test_a_missing_or_wrong_key_is_a_401(world: World) -> None:
    anonymous = world.client()
    wrong = anonymous.get("/v1/me", headers={"Authorization": "Bearer mk_000000000000_" + "a" * 43})
    for answer in (anonymous.get("/v1/me"), wrong, anonymous.get("/v1/me", headers={"Authorization": "Basic abc"})):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.json()["code"] == "cle-absente-ou-refusee"
    assert anonymous.get("/v1/me", headers={"X-API-Key": world.keys["paul"]}).json()["user"] == "paul"


def test_the_api_takes_no_session_and_the_pages_no_key(world: World) -> None:
    assert world.client(session="paul").get("/v1/me").status_code == 401
    answer = world.client("paul").get("/moi?tri=date")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/connexion?suite=/moi%3Ftri%3Ddate"


MAY = {
    "rene": ("read", "review"),
    "paul": ("read", "review", "write"),
    "ada": ("read", "review", "write", "manage"),
    "jeanne": ("read", "review", "write", "manage"),
}


@pytest.mark.parametrize("user", MAY)
@pytest.mark.parametrize("permission", ["read", "review", "write", "manage"])
def test_a_role_may_what_it_may(world: World, user: str, permission: str) -> None:
    expected = 200 if permission in MAY[user] else 403
    assert world.client(user).get(f"/v1/dossiers/ecole/{permission}").status_code == expected
    assert world.client(session=user).get(f"/dossiers/ecole/{permission}").status_code == expected


ELSEWHERE = [
    "mairie",
    "absent",
    ".serveur",
    "Ecole",
    "-ecole",
    "a" * 61,
    "..",
    "%2e%2e",
    "ecole%00",
    "ecole%0a",
    "écoLe",
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_another_s_dossier_is_none(world: World, name: str) -> None:
    (world.server.root / "Ecole").mkdir()
    (world.server.root / "Ecole" / "dossier.yaml").touch()
    (world.server.state / "dossier.yaml").touch()
    for path, client in (("/v1", world.client("paul")), ("", world.client(session="paul"))):
        here, absent = client.get(f"{path}/dossiers/{name}/read"), client.get(f"{path}/dossiers/inconnu/read")
        assert here.status_code == 404
        if name not in ("..", "%2e%2e"):  # those are another address altogether
            assert here.content == absent.content
            assert absent.json()["code"] == "introuvable"


def test_an_administrator_sees_folders_that_are_dossiers_only(world: World) -> None:
    (world.server.root / "vide").mkdir()
    (world.server.root / "Nom").mkdir()
    (world.server.root / "Nom" / "dossier.yaml").touch()
    client = world.client("jeanne")
    assert client.get("/v1/dossiers/vide/read").status_code == 404
    assert client.get("/v1/dossiers/Nom/read").status_code == 404
    assert client.get("/v1/me").json()["dossiers"] == {"ecole": "admin", "mairie": "admin"}
    assert world.client("rene").get("/v1/me").json()["dossiers"] == {"ecole": "reviewer"}
    assert [asked.role for asked in visible(world.server, Caller("rene", False))] == ["reviewer"]


def test_a_form_without_its_session_s_word_is_refused(world: World) -> None:
    client, other = world.client(session="paul"), world.client(session="rene")
    word, foreign = client.get("/moi").json(), other.get("/moi").json()
    assert client.post("/ecrire", data={"text": "oui"}).status_code == 403
    assert client.post("/ecrire", data={"text": "oui", "_csrf": foreign}).status_code == 403
    assert client.post("/ecrire", data={"text": "oui", "_csrf": "é"}).status_code == 403
    assert client.post("/ecrire", data={"text": "oui", "_csrf": word}).json() == "paul oui"
    assert client.post("/ecrire", data={"text": "oui"}, headers={"X-CSRF-Token": word}).json() == "paul oui"
    assert client.post("/ecrire", files={"_csrf": (None, word)}).status_code == 200
    assert world.client().post("/ecrire", data={"_csrf": word}).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({"Origin": "https://ailleurs.example"}, 403),
        ({"Origin": "http://testserver:81"}, 403),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "null"}, 200),
    ],
)
def test_a_form_of_another_site_is_refused_even_with_the_word(
    world: World, headers: dict[str, str], status: int
) -> None:
    client = world.client(session="paul")
    word = client.get("/moi").json()
    assert client.post("/ecrire", data={"_csrf": word}, headers=headers).status_code == status


def test_sign_in_opens_a_session_that_scripts_and_other_sites_cannot_use(world: World) -> None:
    client = world.client()
    answer = sign_in(client, "paul", world.keys["paul"], "/moi")
    assert (answer.status_code, answer.headers["location"]) == (303, "/moi")
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("memoire="))
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=lax", "path=/"}
    assert client.get("/moi").status_code == 200
    assert '"sign-in"' in world.journal()


def test_the_cookie_is_secure_over_https(world: World) -> None:
    client = world.client(base_url="https://testserver")
    answer = sign_in(client, "paul", world.keys["paul"])
    assert all("secure" in line.lower() for line in answer.headers.get_list("set-cookie") if "memoire=" in line)
    assert "secure" in client.get("/connexion", headers={"Cookie": ""}).headers.get("set-cookie", "secure").lower()


def test_sign_in_gives_a_new_token_and_ends_the_one_brought(world: World) -> None:
    client = world.client()
    planted, _ = world.identity.open_session("rene")
    client.cookies.set("memoire", planted)
    word = "w" * 43
    client.cookies.set("memoire-connexion", word)
    data = {"username": "paul", "password": world.keys["paul"], "_csrf": word}
    answer = client.post("/connexion", data=data)
    assert answer.status_code == 303
    assert planted not in answer.headers["set-cookie"]
    assert world.identity.session(planted) is None


def test_a_wrong_name_and_a_wrong_key_are_told_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("user", "key_of"):
        real = getattr(Identity, name)
        monkeypatch.setattr(
            Identity, name, lambda self, value, real=real, name=name: (calls.append(name), real(self, value))[1]
        )
    wrong = "mk_000000000000_" + "a" * 43
    tries = [("paul", wrong), ("inconnu", wrong), ("inconnu", world.keys["paul"]), ("rene", world.keys["paul"])]
    seen = set()
    for name, key in tries:
        client = world.client()
        calls.clear()
        answer = sign_in(client, name, key)
        assert answer.status_code == 403
        assert "memoire=" not in answer.headers["set-cookie"].replace("memoire-connexion=", "")
        text = re.sub(r'value="[^"]*"|hx-headers="[^"]*"', "", answer.text)
        assert signin.REFUSED in text.replace("&#39;", "'")
        seen.add((text, tuple(calls[-2:])))
    assert len(seen) == 1
    assert world.journal().count("sign-in-refused") == len(tries)


def test_a_key_typed_as_a_name_is_not_written_down(world: World) -> None:
    answer = sign_in(world.client(), world.keys["paul"], "paul")
    assert answer.status_code == 403
    assert world.keys["paul"][-20:] not in world.journal()


def test_nobody_is_signed_in_by_another_site(world: World) -> None:
    data = {"username": "paul", "password": world.keys["paul"]}
    client = world.client()
    assert client.post("/connexion", data=data).status_code == 403
    client.get("/connexion")
    assert client.post("/connexion", data={**data, "_csrf": "deviné"}).status_code == 403
    assert sign_in(client, "paul", world.keys["paul"], headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert sign_in(client, "paul", world.keys["paul"]).status_code == 303


def test_sign_out_ends_the_session_and_wants_the_word(world: World) -> None:
    client = world.client(session="paul")
    token, word = client.cookies["memoire"], client.get("/moi").json()
    assert client.post("/deconnexion").status_code == 403
    assert world.identity.session(token)
    answer = client.post("/deconnexion", data={"_csrf": word})
    assert answer.headers["location"] == "/connexion"
    assert 'memoire=""; expires=' in answer.headers["set-cookie"]
    assert world.identity.session(token) is None


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example",
     "\\\\evil.example", "https://evil.example", "https:evil", "javascript:alert(1)",
     "evil", "", "/\t/evil.example", "/a\r\nSet-Cookie: x=1", "///evil.example", "/\x00"],
)  # fmt: skip
def test_the_page_after_sign_in_is_one_of_ours(world: World, wanted: str) -> None:
    assert signin.local_path(wanted) == "/"
    assert sign_in(world.client(), "paul", world.keys["paul"], wanted).headers["location"] == "/"


@pytest.mark.parametrize("wanted", ["/", "/dossiers/ecole?tri=date&page=2#bas", "/dossiers/%C3%A9"])
def test_the_page_after_sign_in_is_the_one_wanted(world: World, wanted: str) -> None:
    assert sign_in(world.client(), "paul", world.keys["paul"], wanted).headers["location"] == wanted


def test_htmx_is_sent_to_the_form(world: World) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/dossiers/ecole?vue=plan"}
    answer = world.client().get("/moi", headers=headers)
    assert answer.headers["hx-redirect"] == "/connexion?suite=/dossiers/ecole%3Fvue%3Dplan"
    assert not 300 <= answer.status_code < 400


def test_what_is_typed_is_inert_in_the_form(world: World) -> None:
    answer = sign_in(world.client(), '"><script>alert(1)</script>', "x", '/"><script>')
    assert "<script>" not in answer.text
    assert "alert(1)&lt;/script&gt;" in answer.text or "alert(1)" not in answer.text


def test_session_hours_is_alive(make_world: Callable[..., World]) -> None:
    world = make_world("serve.session_hours=2")
    client = world.client(session="paul")
    world.clock.pass_(hours=1.9)
    assert client.get("/moi").status_code == 200
    world.clock.pass_(hours=2.1)
    assert client.get("/moi").status_code == 303
    assert create_server(world.server.root, [], world.server.settings).identity._idle == dt.timedelta(hours=2)


def test_an_administrator_makes_users_and_keys_over_the_api(world: World) -> None:
    admin = world.client("jeanne")
    assert admin.post("/v1/users", json={"name": "luc"}).status_code == 201
    assert admin.post("/v1/users", json={"name": "LUC"}).status_code == 409
    assert admin.post("/v1/users", json={"name": "l u c"}).status_code == 422
    made = admin.post("/v1/users/luc/keys", json={"label": "essai", "days": 10}).json()
    luc = TestClient(world.app, headers={"X-API-Key": made["secret"]})
    assert luc.get("/v1/me").json() == {"user": "luc", "admin": False, "dossiers": {}}
    listed = admin.get("/v1/users/luc/keys")
    assert [key["id"] for key in listed.json()] == [made["key"]["id"]]
    assert made["secret"][-43:] not in listed.text
    assert admin.delete(f"/v1/users/paul/keys/{made['key']['id']}").status_code == 404
    assert admin.delete(f"/v1/users/luc/keys/{made['key']['id']}").status_code == 204
    assert luc.get("/v1/me").status_code == 401
    assert admin.post("/v1/users/luc/disable").json()["enabled"] is False
    assert admin.post("/v1/users/luc/keys", json={}).status_code == 409
    assert admin.post("/v1/users/luc/enable").json()["enabled"] is True
    assert admin.post("/v1/users/personne/disable").status_code == 404
    assert {user["name"] for user in admin.get("/v1/users").json()} == {"jeanne", "paul", "rene", "ada", "luc"}
    assert made["secret"][-43:] not in world.journal()


@pytest.mark.parametrize("user", ["paul", "ada"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users"),
        ("POST", "/v1/users"),
        ("GET", "/v1/users/paul/keys"),
        ("POST", "/v1/users/jeanne/keys"),
        ("DELETE", "/v1/users/jeanne/keys/x"),
        ("POST", "/v1/users/jeanne/disable"),
        ("POST", "/v1/users/jeanne/enable"),
        ("GET", "/v1/journal"),
    ],
)
def test_only_administrators_of_the_server_manage_users(world: World, user: str, method: str, path: str) -> None:
    body = {"json": {"name": "x"}} if path == "/v1/users" and method == "POST" else {}
    if path.endswith("/keys") and method == "POST":
        body = {"json": {}}
    answer = world.client(user).request(method, path, **body)
    assert answer.status_code == 403
    assert world.client().request(method, path, **body).status_code == 401


def test_people_keep_their_own_keys(world: World) -> None:
    paul = world.client("paul")
    made = paul.post("/v1/me/keys", json={}).json()
    assert made["key"]["expires"].startswith("2027-03-02")
    assert made["key"]["id"] in [key["id"] for key in paul.get("/v1/me/keys").json()]
    others = world.identity.keys("rene")[0].id
    assert paul.delete(f"/v1/me/keys/{others}").status_code == 404
    assert world.identity.by_secret(world.keys["rene"])
    assert paul.delete(f"/v1/me/keys/{made['key']['id']}").status_code == 204
    assert world.identity.by_secret(made["secret"]) is None


def test_members_are_managed_by_the_dossier_s_admins(world: World) -> None:
    ada, paul = world.client("ada"), world.client("paul")
    assert paul.get("/v1/dossiers/ecole/members").status_code == 403
    assert ada.get("/v1/dossiers/mairie/members").status_code == 404
    assert ada.put("/v1/dossiers/mairie/members/ada", json={"role": "admin"}).status_code == 404
    assert ada.put("/v1/dossiers/ecole/members/paul", json={"role": "chef"}).status_code == 422
    assert ada.put("/v1/dossiers/ecole/members/personne", json={"role": "writer"}).status_code == 404
    assert ada.put("/v1/dossiers/ecole/members/Paul", json={"role": "reviewer"}).json()["user"] == "paul"
    assert paul.get("/v1/dossiers/ecole/write").status_code == 403
    assert ada.delete("/v1/dossiers/ecole/members/paul").status_code == 204
    assert ada.delete("/v1/dossiers/ecole/members/paul").status_code == 404
    assert paul.get("/v1/dossiers/ecole/read").status_code == 404
    assert {grant["user"] for grant in ada.get("/v1/dossiers/ecole/members").json()} == {"rene", "ada"}
    seen = ada.get("/v1/dossiers/ecole/journal").json()
    assert [(entry["who"], entry["what"]) for entry in seen] == [("ada", "grant"), ("ada", "ungrant")]
    assert world.client("jeanne").get("/v1/journal?last=1").json()[0]["what"] == "ungrant"


def test_the_description_declares_what_is_refused(world: World) -> None:
    openapi.describe(world.app)
    paths = world.app.openapi()["paths"]
    operation = paths["/v1/dossiers/{dossier}/members/{user}"]["put"]
    assert {"200", "401", "403", "404", "422", "429"} <= set(operation["responses"])
    assert {"key": []} in operation["security"]

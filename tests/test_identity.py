"""Users, keys, sessions, roles; the journal; the command that makes them."""

from __future__ import annotations

import hmac
import json
import re
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from api.identity import Identity
from api.journal import Journal
from api.problems import Conflict, Invalid, NotFound
from api.server import create_server
from pipeline import cli
from pipeline.settings import Settings
from tests.world import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> Identity:
    made = Identity(tmp_path / "memoire.db", now=clock)
    made.add_user("jeanne", admin=True)
    made.add_user("paul")
    return made


def test_a_key_is_shown_once_and_only_its_hash_is_kept(identity: Identity, tmp_path: Path) -> None:
    key, secret = identity.add_key("paul", "essai", 30)
    assert re.fullmatch(rf"mk_{key.id}_[A-Za-z0-9_-]{{43}}", secret)
    found = identity.by_secret(secret)
    assert found is not None
    assert found.name == "paul"
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("memoire.db*"))
    assert key.id.encode() in stored
    assert secret.rpartition(f"{key.id}_")[2].encode() not in stored


def test_two_keys_differ_and_each_opens_only_its_own(identity: Identity) -> None:
    (_, first), (second_key, second) = identity.add_key("paul", "", None), identity.add_key("jeanne", "", None)
    assert first != second
    mixed = f"mk_{second_key.id}_{first[-43:]}"
    assert identity.by_secret(mixed) is None


@pytest.mark.parametrize("wrong", ["", "mk_", "mk_000000000000_" + "a" * 43, "x" * 5000, "clé", "mk_' OR 1=1 --"])
def test_a_wrong_key_opens_nothing(identity: Identity, wrong: str) -> None:
    identity.add_key("paul", "", None)
    assert identity.by_secret(wrong) is None


def test_secrets_are_compared_in_constant_time_even_where_there_is_no_such_key(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = identity.add_key("paul", "", None)
    compared: list[int] = []
    real = hmac.compare_digest

    def watched(left: Any, right: Any) -> bool:
        compared.append(len(left))
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    identity.by_secret(secret)
    identity.by_secret(secret[:-1] + ("a" if secret[-1] != "a" else "b"))
    identity.by_secret("mk_000000000000_" + "a" * 43)
    assert compared == [64, 64, 64]


def test_a_key_expires(identity: Identity, clock: Clock) -> None:
    _, secret = identity.add_key("paul", "", 2)
    _, endless = identity.add_key("paul", "", None)
    clock.pass_(days=1, hours=23)
    assert identity.by_secret(secret)
    clock.pass_(hours=1)
    assert identity.by_secret(secret) is None
    clock.pass_(days=4000)
    assert identity.by_secret(endless)


def test_a_revoked_key_and_the_sessions_it_opened_stop_at_once(identity: Identity) -> None:
    key, secret = identity.add_key("paul", "", None)
    _, other = identity.add_key("paul", "", None)
    opened, _ = identity.open_session("paul", key.id)
    apart, _ = identity.open_session("paul")
    assert identity.revoke(key.id).revoked
    assert identity.by_secret(secret) is None
    assert identity.session(opened) is None
    assert identity.by_secret(other)
    assert identity.session(apart)


def test_the_end_of_a_key_is_the_end_of_its_sessions(identity: Identity, clock: Clock) -> None:
    key, _ = identity.add_key("paul", "", 1)
    clock.pass_(hours=20)
    token, _ = identity.open_session("paul", key.id)
    clock.pass_(hours=3, minutes=59)
    assert identity.session(token)
    clock.pass_(minutes=1)
    assert identity.session(token) is None


def test_a_disabled_user_is_out_at_once_and_comes_back_with_a_new_key_only(identity: Identity) -> None:
    _, secret = identity.add_key("paul", "", None)
    token, _ = identity.open_session("paul")
    identity.disable("paul")
    assert identity.by_secret(secret) is None
    assert identity.session(token) is None
    with pytest.raises(Conflict):
        identity.add_key("paul", "", None)
    identity.enable("paul")
    assert identity.by_secret(secret) is None
    assert identity.session(token) is None
    assert identity.by_secret(identity.add_key("paul", "", None)[1])


def test_the_last_administrator_cannot_be_disabled(identity: Identity) -> None:
    with pytest.raises(Conflict, match="dernier administrateur"):
        identity.disable("jeanne")
    identity.add_user("anne", admin=True)
    identity.disable("jeanne")
    with pytest.raises(Conflict):
        identity.disable("anne")


@pytest.mark.parametrize("name", ["", "é", "a b", "-a", "a" * 65, "../x", "a\nb", "<b>"])
def test_a_name_that_cannot_be_in_an_address_is_refused(identity: Identity, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        identity.add_user(name)
    assert refused.value.field == "name"


def test_names_differ_by_more_than_capitals(identity: Identity) -> None:
    with pytest.raises(Conflict):
        identity.add_user("Paul")
    identity.grant("d", "PAUL", "writer")
    assert identity.role("d", "paul") == "writer"
    assert identity.grants("d")[0].user == "paul"


def test_the_day_of_a_key_s_last_use_is_kept(identity: Identity, clock: Clock) -> None:
    _, secret = identity.add_key("paul", "", None)
    assert identity.keys("paul")[0].last_used is None
    clock.pass_(days=1)
    identity.by_secret(secret)
    assert identity.keys("paul")[0].last_used == "2026-03-03"


def test_a_session_slides_and_has_an_absolute_end(identity: Identity, clock: Clock) -> None:
    token, word = identity.open_session("paul")
    for _ in range(15):  # 15 × 11 h = 6 days and 21 hours
        clock.pass_(hours=11)
        session = identity.session(token)
        assert session is not None
        assert session.csrf == word
    clock.pass_(hours=4)
    assert identity.session(token) is None


@pytest.mark.parametrize("hours", [1, 12])
def test_a_session_left_alone_ends(tmp_path: Path, clock: Clock, hours: int) -> None:
    identity = Identity(tmp_path / "memoire.db", session_hours=hours, now=clock)
    identity.add_user("paul")
    token, _ = identity.open_session("paul")
    clock.pass_(hours=hours, seconds=-1)
    assert identity.session(token)
    clock.pass_(hours=hours)
    assert identity.session(token) is None


def test_session_tokens_are_not_stored(identity: Identity, tmp_path: Path) -> None:
    token, word = identity.open_session("paul")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("memoire.db*"))
    assert token.encode() not in stored
    assert word.encode() not in stored


def test_roles_are_of_one_dossier(identity: Identity) -> None:
    identity.grant("ecole", "paul", "reviewer")
    identity.grant("ecole", "paul", "writer")
    assert identity.role("ecole", "paul") == "writer"
    assert identity.role("mairie", "paul") is None
    assert identity.dossiers_of("paul") == {"ecole": "writer"}
    identity.forget("ecole")
    assert identity.role("ecole", "paul") is None
    with pytest.raises(NotFound):
        identity.grant("ecole", "personne", "writer")
    with pytest.raises(NotFound):
        identity.ungrant("ecole", "paul")


def test_a_file_made_by_one_is_used_by_another(identity: Identity, tmp_path: Path, clock: Clock) -> None:
    _, secret = identity.add_key("paul", "", None)
    again = Identity(tmp_path / "memoire.db", now=clock)
    assert again.by_secret(secret)
    identity.disable("paul")
    assert again.by_secret(secret) is None


def test_twenty_threads_lose_nothing(identity: Identity) -> None:
    together = threading.Barrier(20)

    def work(number: int) -> bool:
        together.wait()
        name = f"u{number}"
        identity.add_user(name)
        kept, ended = identity.add_key(name, "", None), identity.add_key(name, "", None)
        token, _ = identity.open_session(name, ended[0].id)
        identity.grant("d", name, "writer")
        identity.revoke(ended[0].id)
        return bool(identity.by_secret(kept[1])) and not identity.by_secret(ended[1]) and not identity.session(token)

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(work, range(20))) == [True] * 20
    assert len(identity.grants("d")) == 20
    assert len(identity.users()) == 22


def test_one_of_twenty_gets_the_name(identity: Identity) -> None:
    def add(_: int) -> bool:
        try:
            identity.add_user("unique")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(add, range(20))) == 1


def test_the_state_is_its_owner_s_alone(tmp_path: Path) -> None:
    server = create_server(tmp_path / "racine", [], Settings())
    server.journal.note("jeanne", "essai")
    assert server.state.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in server.state.glob("*"))


def test_the_journal_is_only_added_to(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", now=Clock())
    journal.note("jeanne", "grant", dossier="ecole", user="paul", role="writer")
    before = (tmp_path / "journal.jsonl").read_bytes()
    journal.note("paul", "draft", dossier="mairie")
    journal.note("paul", "sign-in")
    assert (tmp_path / "journal.jsonl").read_bytes().startswith(before)
    assert [entry.what for entry in journal.read()] == ["grant", "draft", "sign-in"]
    assert [entry.details for entry in journal.read("ecole")] == [{"user": "paul", "role": "writer"}]
    assert [entry.what for entry in journal.read(last=1)] == ["sign-in"]


def test_a_dossier_named_in_another_s_details_is_not_shown_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.note("paul", "copy", dossier="mairie", to="ecole")
    assert journal.read("ecole") == []


def test_a_line_cannot_be_forged_and_a_cut_one_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).note("a\n{}", "b\r\n", text="fin\u2028")
    with path.open("ab") as stream:
        stream.write(b'{"when": "2026-')
    again = Journal(path)
    again.note("paul", "draft")
    assert [entry.who for entry in again.read()] == ["a\n{}", "paul"]
    assert len(path.read_text(encoding="utf-8").split("\n")) == 4


def test_a_key_never_gets_into_the_journal(tmp_path: Path, identity: Identity) -> None:
    key, secret = identity.add_key("paul", "", None)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.note(secret, secret, dossier=secret, deep={"list": [secret]})
    text = (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
    assert secret[-43:] not in text
    assert text.count(key.id) == 4


def test_lines_of_twenty_threads_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journals = [Journal(path), Journal(path)]

    def note(number: int) -> None:
        journals[number % 2].note(f"u{number}", "draft", text="é" * 3000)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(note, range(100)))
    assert {json.loads(line)["who"] for line in path.read_text(encoding="utf-8").splitlines()} == {
        f"u{number}" for number in range(100)
    }


# --- the command


def memoire(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["memoire", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_the_first_key_comes_from_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> tuple[int, str, str]:
        return memoire(monkeypatch, capsys, "users", *arguments)

    assert run("list")[0] == 2
    assert not (tmp_path / "dossiers").exists()
    code, secret, told = run("add", "jeanne", "--days", "10")
    assert (code, "administrateur" in told) == (0, True)
    identity = Identity(tmp_path / "dossiers" / ".serveur" / "memoire.db")
    first = identity.by_secret(secret.strip())
    assert first is not None
    assert first.admin
    assert run("add", "paul")[0] == 0
    assert [user.admin for user in identity.users()] == [True, False]
    (tmp_path / "dossiers" / "ecole").mkdir()
    (tmp_path / "dossiers" / "ecole" / "dossier.yaml").touch()
    assert run("grant", "paul", "ecole", "writer")[0] == 0
    assert identity.role("ecole", "paul") == "writer"
    again = run("key", "paul", "--label", "script", "--days", "0")[1].strip()
    key = identity.key_of(again)
    assert key is not None
    assert key.expires is None
    assert key.id in run("list")[1]
    assert json.loads(run("list", "--format", "json")[1])["users"][1]["dossiers"] == {"ecole": "writer"}
    assert run("revoke", key.id)[0] == 0
    assert identity.by_secret(again) is None
    assert run("ungrant", "paul", "ecole")[0] == 0
    assert run("disable", "paul")[0] == 0
    assert run("enable", "paul")[0] == 0
    for wrong in (
        ("add", "jeanne"), ("add", "a b"), ("disable", "jeanne"), ("revoke", "x"),
        ("grant", "paul", "absent", "writer"),
        ("grant", "paul", "../ecole", "writer"), ("grant", "personne", "ecole", "writer"), ("ungrant", "paul", "ecole"),
        ("list", "--format", "xml"), ("key", "personne"), ("grant", "paul", "ecole", "chef"),
    ):  # fmt: skip
        code, out, told = run(*wrong)
        assert (code, out, len(told.strip().splitlines())) == (2, "", 1), wrong
    journal = (tmp_path / "dossiers" / ".serveur" / "journal.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["what"] for line in journal.splitlines()] == [
        "user", "key", "user", "key", "grant", "key", "revoke", "ungrant", "disable", "enable",
    ]  # fmt: skip
    assert secret.strip()[-43:] not in journal


def test_the_file_refuses_a_grant_to_nobody(identity: Identity, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "memoire.db") as base:
        assert base.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    base.close()
    with pytest.raises(sqlite3.IntegrityError):
        identity._base.execute("INSERT INTO grants VALUES ('d', 'personne', 'writer')")

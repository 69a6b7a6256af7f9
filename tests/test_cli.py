"""The command as a user runs it: exit codes, one line on stderr, JSON alone on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pipeline import cli
from tests.conftest import CORPUS

RC = str(CORPUS / "dce" / "rc.pdf")


def memoire(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["memoire", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("read", "/nonexistent.pdf"),
        ("read",),
        ("draft", "/nonexistent"),
        ("read", RC, "--format", "xml"),
        ("inconnu",),
        ("search", "/nonexistent", "question", "--k", "abc"),
        ("models", "fetch", "inconnu"),
        ("draft", "/nonexistent", "--set", "llm.inconnu=1"),
    ],
)
def test_wrong_use_is_one_french_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, out, err = memoire(monkeypatch, capsys, *arguments)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert not any(word in err for word in ("Missing", "No such", "Invalid", "Error", "Traceback"))


def test_read_json_is_the_contract(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = memoire(monkeypatch, capsys, "read", RC, "--format", "json")
    assert (code, err) == (0, "")
    tender = json.loads(out)
    assert set(tender) >= {
        "object", "buyer", "reference", "criteria", "selection_criteria", "plan", "plan_rules", "distinctions",
        "deliverables", "requirements", "deadlines", "pieces", "format_rules", "inconsistencies",
    }  # fmt: skip
    assert set(tender["plan"][1]) >= {"number", "title", "level", "points", "parts", "expected", "evidence", "page"}


def test_read_tells_a_person_what_pays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = memoire(monkeypatch, capsys, "read", RC)
    assert code == 0
    assert "CHAPITRE 4 – SUPPORT ET EXPLOITATION" in out
    assert "15 %" in out


def test_new_names_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = memoire(monkeypatch, capsys, "new", str(tmp_path / "d"), "--dce", str(CORPUS / "dce"))
    assert code == 0
    assert "cadre-de-prix.xlsx" in err
    assert "3 pièces" in out


def test_eval_fails_under_a_threshold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(tmp_path / "d")
    memoire(monkeypatch, capsys, "new", folder, "--dce", RC)
    memoire(monkeypatch, capsys, "read", folder)
    code, out, _ = memoire(monkeypatch, capsys, "eval", folder, "--format", "json")
    assert code == 0
    assert json.loads(out)["metrics"]["point_coverage"]["value"] == 0
    code, _, err = memoire(monkeypatch, capsys, "eval", folder, "--fail-under", "0.5")
    assert code == 1
    assert "seuil" in err


def test_help_is_french(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = memoire(monkeypatch, capsys, "--help")
    assert code == 0
    assert "Rédige le mémoire technique" in out

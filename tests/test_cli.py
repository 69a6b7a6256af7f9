"""The command as a user runs it: exit codes, one line on stderr, JSON alone on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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
    (tmp_path / "dce").mkdir()
    (tmp_path / "dce" / "rc.pdf").write_bytes((CORPUS / "dce" / "rc.pdf").read_bytes())
    (tmp_path / "dce" / "plan.dwg").write_bytes(b"AC1032")
    code, out, err = memoire(monkeypatch, capsys, "new", str(tmp_path / "d"), "--dce", str(tmp_path / "dce"))
    assert code == 0
    assert "plan.dwg" in err
    assert "1 pièces" in out


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


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vide.pdf", b"", "vide"),
        ("photo.pdf", b"\x89PNG\r\n\x1a\n" + bytes(40), "image PNG"),
        ("faux.docx", b"bonjour", "archive Word"),
    ],
)
def test_bad_files_are_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    content: bytes,
    says: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    code, out, err = memoire(monkeypatch, capsys, "read", str(path))
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_an_encrypted_pdf_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = memoire(monkeypatch, capsys, "read", str(Path(__file__).parent / "documents" / "encrypted.pdf"))
    assert code == 2
    assert "mot de passe" in err


def test_a_model_with_a_wrong_hash_is_set_aside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("MEMOIRE_MODELS__FOLDER", str(tmp_path))
    (tmp_path / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf").write_bytes(b"GGUF autre chose")
    code, _, err = memoire(monkeypatch, capsys, "models", "verify")
    assert code == 2
    assert "mis de côté" in err
    assert not (tmp_path / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf").exists()


@pytest.fixture
def without_plan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> str:
    rc = tmp_path / "rc.txt"
    rc.write_text("RÈGLEMENT DE LA CONSULTATION\n\nLa consultation a pour objet des chaises.\n", encoding="utf-8")
    folder = str(tmp_path / "d")
    memoire(monkeypatch, capsys, "new", folder, "--dce", str(rc), "--library", str(CORPUS / "library" / "entreprise"))
    memoire(monkeypatch, capsys, "read", folder)
    return folder


def test_drafting_without_a_plan_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], without_plan: str
) -> None:
    code, _, err = memoire(monkeypatch, capsys, "draft", without_plan)
    assert code == 2
    assert "aucun plan" in err
    assert "consultation.yaml" in err


@pytest.mark.weights
def test_too_little_memory_for_the_model(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    model_path: Callable[[str], Path],
) -> None:
    model_path("qwen2.5-coder-1.5b-instruct-q4_k_m")
    model_path("multilingual-e5-small")
    folder = str(tmp_path / "d")
    facts = str(CORPUS / "library" / "entreprise" / "certificats.yaml")
    memoire(monkeypatch, capsys, "new", folder, "--dce", RC, "--library", facts)
    memoire(monkeypatch, capsys, "read", folder)
    assert memoire(monkeypatch, capsys, "index", folder)[0] == 0
    code, _, err = memoire(monkeypatch, capsys, "draft", folder, "--section", "6.1", "--set", "llm.memory_margin=1e6")
    assert code == 2
    assert "Mémoire insuffisante" in err
    assert len(err.strip().splitlines()) == 1


def test_search_refuses_a_kind_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(tmp_path / "d")
    memoire(monkeypatch, capsys, "new", folder, "--dce", RC)
    code, _, err = memoire(monkeypatch, capsys, "search", folder, "RTO", "--kind", "reponse")
    assert code == 2
    assert "reponse" in err
    assert "dce, response, component, firm" in err

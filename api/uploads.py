"""Files sent to the server -> files in a folder of their own, under names that stay in it."""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from starlette.datastructures import UploadFile

from api.problems import Invalid, WrongType
from api.server import Server

_LONGEST = 150
"""Bytes of a file's name kept, under the 255 of file systems."""


def safe_name(name: str) -> str:
    """The last part of a name sent by a browser, without what a file system or a page could take for something else;
    the extension stays."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(" " if c.isspace() else c for c in last if unicodedata.category(c)[0] != "C" or c.isspace())
    kept = re.sub(r'[<>:"|?*]', "_", kept).strip(" .~")
    stem, dot, extension = kept.rpartition(".")
    if not dot:
        return _cut(kept, _LONGEST) or "fichier"
    extension = _cut(extension, 12)
    return f"{_cut(stem, _LONGEST - 13) or 'fichier'}.{extension}"


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore").strip()


@contextmanager
def received(server: Server, files: Sequence[UploadFile], field: str = "files") -> Iterator[list[Path]]:
    """The files on disk, while the block lasts; two of one name stay two. Raises Invalid where none is sent."""
    sent = [file for file in files if file.filename]
    if not sent:
        raise Invalid("Aucun fichier n’a été envoyé", remedy="Choisissez au moins un fichier.", field=field)
    with tempfile.TemporaryDirectory(dir=server.uploads) as folder:
        paths: list[Path] = []
        for number, file in enumerate(sent, start=1):
            path = Path(folder) / safe_name(file.filename or "")
            if path.exists():
                path = path.with_stem(f"{path.stem} ({number})")
            with path.open("wb") as stream:
                shutil.copyfileobj(file.file, stream)
            paths.append(path)
        yield paths


@contextmanager
def received_word(server: Server, file: UploadFile) -> Iterator[Path]:
    """A Word document. Raises WrongType where its name or its first bytes say otherwise."""
    with received(server, [file], "file") as paths:
        with paths[0].open("rb") as stream:
            start = stream.read(4)
        if paths[0].suffix.lower() != ".docx" or start != b"PK\x03\x04":
            raise WrongType(
                "Un document Word est attendu", where=paths[0].name, remedy="Enregistrez-le au format .docx."
            )
        yield paths[0]

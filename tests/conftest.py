"""Shared fixtures: no network, real tenders and real weights only where they are present, small documents on demand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import settings, weights
from pipeline.records import Block, Document, SourceKind

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
CORPUS = ROOT / "corpus"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew, to be read in the diff")
    parser.addoption("--screens", help="folder to keep a picture of each screen in")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Hold a text against tests/golden/<name>; only « pytest --golden » writes it."""

    def hold(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if request.config.getoption("--golden"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"{name} has changed: run pytest --golden and read the diff"

    return hold


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to connect beyond this machine's own loopback fails the test that makes it."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: object) -> None:
        if not (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1")):
            raise AssertionError(f"this test tried to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The real tenders beside the project."""
    if not SHARED.is_dir():
        pytest.skip("real tenders are absent: ../shared is not beside the project")
    return SHARED


@pytest.fixture(scope="session")
def manifest() -> weights.Manifest:
    """The known models, with those of this machine."""
    return weights.load_manifest(settings.load().models.folder)


@pytest.fixture(scope="session")
def model_path(manifest: weights.Manifest) -> Callable[[str], Path]:
    """The verified path of a model, or a skip that says how to get it."""

    def find(name: str) -> Path:
        if not manifest.path(manifest.find(name)).exists():
            pytest.skip(f"weights are absent: run `memoire models fetch {name}`")
        return weights.verified(manifest, name)

    return find


@pytest.fixture
def make_document() -> Callable[..., Document]:
    """A document from (kind, text) pairs."""

    def build(*blocks: tuple[str, str], name: str = "rc.txt", kind: SourceKind = "dce") -> Document:
        made = []
        for number, (sort, text) in enumerate(blocks):
            marker = "•" if sort == "item" else ""
            made.append(Block(kind=sort, text=text, page=1 + number // 40, marker=marker, level=1 if marker else 0))
        return Document(name=name, sha256="0" * 64, kind=kind, pages=None, blocks=tuple(made))

    return build

"""Passages, index, retrieval: provenance kept, nothing embedded twice, whole or not at all."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline import index as stage
from pipeline.errors import IndexMismatchError
from pipeline.library import read_library
from pipeline.readers import read
from pipeline.records import Document, Passage
from pipeline.retrieve import expanded, relevance, retrieve
from pipeline.settings import RetrieveSettings
from pipeline.split import split
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder

TODAY = dt.date(2026, 11, 21)


@pytest.fixture(scope="module")
def library() -> tuple[Document, ...]:
    return read_library([CORPUS / "library"], TODAY).documents


@pytest.fixture(scope="module")
def passages(library: tuple[Document, ...]) -> list[Passage]:
    documents = [read(CORPUS / "dce" / "rc.pdf"), read(CORPUS / "dce" / "pf.docx"), *library]
    return [passage for document in documents for passage in split(document, 700)]


class CountingEmbedder(HashEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.passages = 0

    def embed(self, texts, role):  # type: ignore[no-untyped-def]
        self.passages += len(texts) if role == "passage" else 0
        return super().embed(texts, role)


def test_passages_are_short_unique_and_placed(passages: list[Passage]) -> None:
    assert len({passage.id for passage in passages}) == len(passages)
    assert max(len(passage.text) for passage in passages) <= 700
    assert all(passage.page for passage in passages)
    assert all(passage.headings for passage in passages if passage.kind in ("firm", "component"))


def test_a_numbered_requirement_is_a_passage_of_its_own(passages: list[Passage]) -> None:
    numbered = [passage for passage in passages if passage.text.startswith("EX-")]
    assert len(numbered) == 205
    assert all(passage.text.count("EX-") == 1 for passage in numbered)


def test_every_word_of_a_document_is_in_its_passages() -> None:
    document = read(CORPUS / "dce" / "pf.docx")
    text = " ".join(passage.text for passage in split(document, 500))
    for block in document.blocks:
        if block.kind in ("paragraph", "item") and len(block.text) < 400:
            assert block.text in text


def test_library_knows_what_each_document_may_prove(library: tuple[Document, ...]) -> None:
    kinds = {document.name: document.kind for document in library}
    assert kinds["keycloak.md"] == "component"
    assert kinds["certificats.yaml"] == "firm"
    assert kinds["montferrac.docx"] == "response"
    clients = {document.name: (document.client, document.client_alias) for document in library}
    assert clients["montferrac.docx"] == ("Centre hospitalier de Montferrac", None)
    assert clients["aubrelle.docx"][0] == "Conseil départemental de l'Aubrelle"
    assert clients["corvane.docx"] == (
        "Mutuelle Hospitalis Corvane",
        "un organisme de protection sociale de 2 800 agents",
    )


def test_an_expired_certificate_says_so(library: tuple[Document, ...]) -> None:
    certificates = next(document for document in library if document.name == "certificats.yaml")
    text = " ".join(block.text for block in certificates.blocks)
    assert "ISO 9001:2015 – EXPIRÉ" in text
    assert "a expiré le 31 mars 2026" in text
    assert "valable jusqu'au 30 juin 2028" in text


def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "cassé.docx").write_bytes(b"rien")
    (tmp_path / "bon.txt").write_text("Une réponse antérieure.", encoding="utf-8")
    found = read_library([tmp_path], TODAY)
    assert [document.name for document in found.documents] == ["bon.txt"]
    assert len(found.unread) == 1
    assert "cassé.docx" in found.unread[0]


def test_search_finds_by_words_and_filters_by_kind(passages: list[Passage]) -> None:
    embedder = HashEmbedder()
    index = stage.build(passages, embedder, 700)
    hits = retrieve("exercice de reprise RTO mesuré", index, embedder, RetrieveSettings(), 5, ("response",))
    assert len(hits) == 5
    assert all(hit.passage.kind == "response" for hit in hits)
    assert "RTO" in hits[0].passage.text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert relevance(hits[0], "exercice de reprise", index) >= hits[0].similarity


def test_acronyms_are_searched_by_their_words() -> None:
    assert "plan de reprise d'activité" in expanded("PRA du site")
    assert expanded("sprint") == "sprint"


def test_only_new_passages_are_embedded_again(passages: list[Passage]) -> None:
    embedder = CountingEmbedder()
    first = stage.build(passages[:-3], embedder, 700)
    counted = embedder.passages
    second = stage.build(passages, embedder, 700, first)
    assert embedder.passages == counted + 3
    fresh = stage.build(passages, HashEmbedder(), 700)
    np.testing.assert_array_equal(second.vectors, fresh.vectors)


def test_an_index_comes_back_as_it_was_saved(passages: list[Passage], tmp_path: Path) -> None:
    embedder = HashEmbedder()
    index = stage.build(passages[:50], embedder, 700)
    stage.save(index, tmp_path / "index")
    loaded = stage.load(tmp_path / "index", embedder, 700)
    assert loaded is not None
    assert loaded.passages == index.passages
    np.testing.assert_array_equal(loaded.vectors, index.vectors)
    assert loaded.matching("reprise", 5, ("dce",)) == index.matching("reprise", 5, ("dce",))


def test_another_embedder_or_another_cut_is_refused(passages: list[Passage], tmp_path: Path) -> None:
    stage.save(stage.build(passages[:20], HashEmbedder(), 700), tmp_path / "index")
    with pytest.raises(IndexMismatchError, match="memoire index"):
        stage.load(tmp_path / "index", HashEmbedder(64), 700)
    with pytest.raises(IndexMismatchError):
        stage.load(tmp_path / "index", HashEmbedder(), 500)


def test_a_damaged_index_is_not_served(passages: list[Passage], tmp_path: Path) -> None:
    folder = tmp_path / "index"
    stage.save(stage.build(passages[:20], HashEmbedder(), 700), folder)
    (folder / "vectors.npy").write_bytes(b"rien")
    assert stage.load(folder, HashEmbedder(), 700) is None


def test_an_index_stopped_between_two_renames_is_found_again(passages: list[Passage], tmp_path: Path) -> None:
    folder = tmp_path / "index"
    stage.save(stage.build(passages[:20], HashEmbedder(), 700), folder)
    folder.rename(tmp_path / ".index.old")
    assert stage.load(folder, HashEmbedder(), 700) is not None


def test_the_manifest_names_every_file_of_the_corpus_with_its_hash() -> None:
    entries = yaml.safe_load((CORPUS / "manifest.yaml").read_text(encoding="utf-8"))
    listed = {entry["file"]: entry for entry in entries}
    held = [path for folder in ("dce", "library") for path in (CORPUS / folder).rglob("*") if path.is_file()]
    assert sorted(listed) == sorted(path.relative_to(CORPUS).as_posix() for path in held)
    for path in held:
        entry = listed[path.relative_to(CORPUS).as_posix()]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), path.name
        assert entry["licence"]
        assert entry["origin"]
    assert len([path for path in held if path.parent.name == "composants"]) >= 40

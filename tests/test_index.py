"""Passages, index, retrieval: provenance kept, nothing embedded twice, whole or not at all."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np
import pytest
import yaml

from evals import kill_index
from pipeline.errors import DossierError, IndexDamagedError, IndexMismatchError
from pipeline.french import stems
from pipeline.index import Index
from pipeline.ingest import Files, Ingested, ingest, put_passages
from pipeline.library import notice, read_library
from pipeline.readers import read
from pipeline.readers.text import table_block
from pipeline.records import Document, Passage
from pipeline.retrieve import Filters, expanded, relevance, retrieve
from pipeline.settings import RetrieveSettings
from pipeline.split import split
from pipeline.store import Store, is_row, searchable
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, index_of

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


def test_a_passage_is_the_exact_characters_of_its_document(library: tuple[Document, ...]) -> None:
    documents = [read(CORPUS / "dce" / "rc.pdf"), read(CORPUS / "dce" / "pf.docx"), *library]
    exact = 0
    for document in documents:
        text = document.text
        for passage in split(document, 700):
            source = text[passage.start : passage.end]
            assert source
            words = re.findall(r"\w+", source)
            if is_row(passage.text):
                assert set(words) <= set(re.findall(r"\w+", passage.text)) or len(source) > 700
            else:
                assert words == re.findall(r"\w+", passage.text)
                exact += 1
    assert exact > 900


def test_a_table_over_two_pages_gives_passages_of_both(make_document: Callable[..., Document]) -> None:
    table = table_block([("Lot", "Prix"), ("A" * 30, "1"), ("B" * 30, "2")], 4, [4, 4, 5], [4, 4, 5])
    document = make_document(("paragraph", "x")).model_copy(update={"blocks": (table,)})
    assert [(p.page, p.text) for p in split(document, 700)] == [
        (4, f"Lot : {'A' * 30} ; Prix : 1"),
        (5, f"Lot : {'B' * 30} ; Prix : 2"),
    ]


def test_passages_know_the_one_lot_they_are_about(make_document: Callable[..., Document]) -> None:
    document = make_document(
        ("paragraph", "Pour tous."),
        ("heading", "Article 2 – Lot n° 02 : messagerie"),
        ("paragraph", "Pour le lot deux."),
        ("heading", "Article 3 – Lots 1 et lot 2"),
        ("paragraph", "Pour les deux."),
    )
    assert [passage.lot for passage in split(document, 700)] == [None, "2", None]


def test_search_finds_by_words_and_filters(passages: list[Passage]) -> None:
    embedder = HashEmbedder()
    index = index_of(passages, embedder)
    hits = retrieve("exercice de reprise RTO mesuré", index, embedder, RetrieveSettings(), 5, Filters(("response",)))
    assert len(hits) == 5
    assert all(hit.passage.kind == "response" for hit in hits)
    assert "RTO" in hits[0].passage.text
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert relevance(hits[0], "exercice de reprise", index) >= hits[0].similarity


def test_acronyms_are_searched_by_their_words() -> None:
    assert "plan de reprise d'activité" in expanded("PRA du site")
    assert expanded("sprint") == "sprint"


def test_words_are_scored_as_bm25s_scores_them(passages: list[Passage]) -> None:
    index = index_of(passages, HashEmbedder())
    rival = bm25s.BM25(method="lucene")
    rival.index([stems(searchable(passage)) for passage in index.passages], show_progress=False)
    for query in ("exercice de reprise RTO mesuré", "licence du composant", "pénalités de retard de paiement"):
        ours = index.best(index.word_scores(query), 20)
        known = [stem for stem in stems(query) if stem in rival.vocab_dict]
        np.testing.assert_allclose(ours.scores, rival.retrieve([known], k=20, show_progress=False)[1][0], rtol=1e-5)


def test_an_approximate_search_finds_what_the_exact_one_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pipeline.index.CELLS", 16)
    monkeypatch.setattr("pipeline.index.TRAINED_ON", 2000)
    monkeypatch.setattr("pipeline.index.PROBES", 8)
    rng = np.random.default_rng(0)
    made = [
        Passage(id=str(i), kind="dce", document="a", page=1, article=None, text=" ".join(f"m{w}" for w in row))
        for i, row in enumerate(rng.integers(0, 400, (2000, 12)))
    ]
    store = Store(tmp_path / "passages.sqlite")
    put_passages(store, made, HashEmbedder(), 700)
    exact, first = Index(store), Index(store, exact_up_to=100)
    (kept,) = tmp_path.glob("ivf-*.faiss")
    kept.write_bytes(kept.read_bytes()[:-9] + b"autrement")
    assert Index(store, exact_up_to=100).nearest(exact.vectors[0], 1).positions == [0]  # made again
    monkeypatch.setattr("pipeline.index.TRAINED_ON", 0)  # only read from now on
    inverted = Index(store, exact_up_to=100)
    assert list(first.nearest(exact.vectors[5], 10).positions) == list(inverted.nearest(exact.vectors[5], 10).positions)
    found = 0
    for vector in exact.vectors[:50]:
        mask = np.arange(2000) % 2 == 0
        nearest = inverted.nearest(vector, 10, mask).positions
        assert all(nearest % 2 == 0)
        found += len(set(nearest.tolist()) & set(exact.nearest(vector, 10, mask).positions.tolist()))
    assert found >= 350


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A small dossier and library on disk."""
    (tmp_path / "dce").mkdir()
    (tmp_path / "library").mkdir()
    (tmp_path / "dce" / "rc.txt").write_text("Article 1\n\nLes offres sont remises le 3 mars.", encoding="utf-8")
    for name in "abc":
        text = f"Réponse {name}\n\nLe service {name} a été rétabli en 2 h par l'équipe de la Mutuelle Corvane."
        (tmp_path / "library" / f"{name}.txt").write_text(text, encoding="utf-8")
    return Files(tmp_path, [tmp_path / "dce" / "rc.txt"], [tmp_path / "library"])


def contents(store: Store) -> list[Passage]:
    return list(Index(store).passages)


def test_only_what_changed_is_read_and_embedded_again(files: Files, tmp_path: Path) -> None:
    embedder, store = CountingEmbedder(), Store(tmp_path / "index" / "passages.sqlite")
    first = ingest(store, files, embedder, 700, TODAY)
    assert (first.embedded, first.changed) == (4, 4)
    assert ingest(store, files, embedder, 700, TODAY) == Ingested(0, 0, ())
    path = tmp_path / "library" / "b.txt"
    path.touch()
    assert ingest(store, files, embedder, 700, TODAY) == Ingested(0, 0, ())
    path.write_text("Réponse b\n\nLe service b a été rétabli en 3 h.", encoding="utf-8")
    (tmp_path / "library" / "c.txt").unlink()
    counted = embedder.passages
    assert ingest(store, files, embedder, 700, TODAY) == Ingested(1, 2, ())
    assert embedder.passages == counted + 1
    fresh = Store(None)
    ingest(fresh, files, embedder, 700, TODAY)
    assert contents(store) == contents(fresh)
    np.testing.assert_array_equal(Index(store).vectors, Index(fresh).vectors)


def test_a_text_that_moves_in_its_document_is_not_embedded_again(files: Files, tmp_path: Path) -> None:
    embedder, store = CountingEmbedder(), Store(None)
    ingest(store, files, embedder, 700, TODAY)
    counted = embedder.passages
    (tmp_path / "library" / "d.txt").write_bytes((tmp_path / "library" / "a.txt").read_bytes())
    assert ingest(store, files, embedder, 700, TODAY).changed == 1
    assert embedder.passages == counted


def test_naming_a_client_changes_past_responses_without_reading_them_again(files: Files, tmp_path: Path) -> None:
    embedder, store = CountingEmbedder(), Store(None)
    text = "Réponse\n\n" + "La Mutuelle Corvane a accepté. " * 3
    (tmp_path / "library" / "a.txt").write_text(text, encoding="utf-8")
    ingest(store, files, embedder, 700, TODAY)
    counted = embedder.passages
    record = "- {client: Mutuelle Corvane, nommable: false, designation_publique: une mutuelle}"
    (tmp_path / "library" / "references.yaml").write_text(record, encoding="utf-8")
    ingest(store, files, embedder, 700, TODAY)
    assert {p.client_alias for p in contents(store) if p.document == "a.txt"} == {"une mutuelle"}
    assert embedder.passages == counted


def test_a_file_that_cannot_be_read_is_told_each_time_and_read_once(files: Files, tmp_path: Path) -> None:
    (tmp_path / "library" / "z.docx").write_bytes(b"rien")
    store = Store(None)
    for _ in range(2):
        done = ingest(store, files, HashEmbedder(), 700, TODAY)
        assert len(done.unread) == 1
        assert "z.docx" in done.unread[0]
    assert done.changed == 0


def test_a_certificate_says_it_has_expired_on_the_day(files: Files, tmp_path: Path) -> None:
    record = "- {intitule: HDS, numero: 12, valable_jusqu_au: 2026-11-30, perimetre: Tout.}"
    (tmp_path / "library" / "certificats.yaml").write_text(record, encoding="utf-8")
    store = Store(None)
    ingest(store, files, HashEmbedder(), 700, TODAY)
    before = [p for p in contents(store) if p.document == "certificats.yaml"]
    assert [notice(p, TODAY, 12) for p in before] == [None, None]
    later = dt.date(2026, 12, 1)
    assert all("expiré le 30 novembre 2026" in (notice(p, later, 12) or "") for p in before)
    ingest(store, files, HashEmbedder(), 700, later)
    assert any("a expiré le 30 novembre 2026" in p.text for p in contents(store))


def test_a_date_written_otherwise_is_refused(files: Files, tmp_path: Path) -> None:
    record = "- {intitule: HDS, valable_jusqu_au: 30/11/2026}"
    (tmp_path / "library" / "certificats.yaml").write_text(record, encoding="utf-8")
    assert "AAAA-MM-JJ" in ingest(Store(None), files, HashEmbedder(), 700, TODAY).unread[0]


def test_an_old_sheet_is_to_be_checked(passages: list[Passage]) -> None:
    sheet = next(passage for passage in passages if passage.document == "keycloak.md")
    assert notice(sheet, dt.date(2025, 12, 1), 12) is None
    assert notice(sheet, TODAY, 12) == "faits de juin 2025, de plus de 12 mois : à vérifier"


def test_another_embedder_or_another_cut_is_refused(files: Files) -> None:
    store = Store(None)
    ingest(store, files, HashEmbedder(), 700, TODAY)
    with pytest.raises(IndexMismatchError, match="memoire index"):
        ingest(store, files, HashEmbedder(64), 700, TODAY)
    with pytest.raises(IndexMismatchError):
        ingest(store, files, HashEmbedder(), 500, TODAY)


def test_a_damaged_store_is_not_served(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "index" / "passages.sqlite"
    store = Store(path)
    ingest(store, files, HashEmbedder(), 700, TODAY)
    store.close()
    sound = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(60):
        at = rng.randrange(len(sound))
        path.write_bytes(sound[:at] + rng.randbytes(200) + sound[at + 200 :])
        try:
            damaged = Store(path)
            damaged.check()
            for passage in Index(damaged).passages:
                assert "a été rétabli en 2 h" in passage.text or "3 mars" in passage.text
            damaged.close()
        except IndexDamagedError:
            refused += 1
    assert refused >= 10  # the others fell on free space, or on a document as read, which is not served


def test_a_store_that_is_another_programs_or_out_of_reach_is_one_line(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE documents (name TEXT)")
    other.execute("CREATE TABLE passages (name TEXT)")
    other.commit()
    with pytest.raises(IndexDamagedError):
        Index(Store(tmp_path / "other.sqlite"))
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(DossierError, match="droits"):
        Store(tmp_path / "folder.sqlite")


class FailingAtQuestions(HashEmbedder):
    """Fails where the headings are embedded: the last thing an update does."""

    def embed(self, texts, role):  # type: ignore[no-untyped-def]
        if role == "query":
            raise MemoryError
        return super().embed(texts, role)


def test_an_update_that_fails_at_its_end_changes_nothing(files: Files, tmp_path: Path) -> None:
    store = Store(tmp_path / "index" / "passages.sqlite")
    ingest(store, files, HashEmbedder(), 700, TODAY)
    before = contents(store)
    (tmp_path / "library" / "d.md").write_text("# Nouveau titre\n\nUn nouveau service.", encoding="utf-8")
    with pytest.raises(MemoryError):
        ingest(store, files, FailingAtQuestions(), 700, TODAY)
    assert contents(store) == before
    assert ingest(store, files, HashEmbedder(), 700, TODAY).changed == 1
    assert len(contents(store)) == len(before) + 1


def test_a_store_killed_at_any_moment_is_the_old_one_or_the_new_one(files: Files, tmp_path: Path) -> None:
    """KILLS times; the fuller trial is `python -m evals.kill_index`."""
    assert kill_index.trial(tmp_path / "trial", kills=8, seed=1).mixtures == 0


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

"""Reading candidates again: by the embedder's word pieces, or by any cross-encoder folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from pipeline.embed import FolderEmbedder, Pieces, Role
from pipeline.errors import ModelError
from pipeline.readers import read
from pipeline.records import Passage
from pipeline.rerank import CrossEncoder, LateInteraction
from pipeline.retrieve import EVERYTHING, Filters, retrieve, spread
from pipeline.settings import RetrieveSettings
from pipeline.split import split
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, index_of

WORDS = ["le", "la", "de", "service", "reprise", "exercice", "sauvegarde", "licence", "logiciel", "libre", "annuaire"]


def passage(number: int, text: str, **fields: object) -> Passage:
    values = {"kind": "response", "document": "a.docx", "page": 1, "article": None, **fields}
    return Passage(id=f"p{number}", text=text, **values)  # type: ignore[arg-type]


class OneHot:
    """A piece a word, each word its own direction."""

    def __init__(self) -> None:
        self.read = 0

    def pieces(self, texts: Sequence[str], role: Role) -> list[Pieces]:
        self.read += len(texts)
        found = [[WORDS.index(word) for word in text.split()] for text in texts]
        return [Pieces(ids, np.eye(len(WORDS), dtype=np.float32)[ids]) for ids in found]


def test_late_interaction_counts_rare_words_more_and_reads_a_passage_once() -> None:
    embedder = OneHot()
    reranker = LateInteraction(embedder)  # type: ignore[arg-type]
    passages = [passage(1, "le la de"), passage(2, "la sauvegarde"), passage(3, "le la service")]
    scores = reranker.score("la sauvegarde", passages)
    assert scores.argmax() == 1
    assert scores[1] == pytest.approx(1)
    assert scores[0] == scores[2] < 0.3  # « la » is in all three: it tells nothing
    reranker.score("le service", passages)
    assert embedder.read == 2 + 3


class Backwards:
    """Prefers what was last."""

    def score(self, question: str, passages: Sequence[Passage]) -> np.ndarray:
        return np.arange(len(passages), dtype=np.float32) * 1000


def test_a_reranker_decides_among_the_best() -> None:
    embedder = HashEmbedder()
    made = [passage(i, f"exercice de reprise numéro {i} " + "mot " * i, page=i) for i in range(12)]
    index = index_of(made, embedder)
    settings = RetrieveSettings(floor=-1, reread=3)
    plain = retrieve("exercice de reprise", index, embedder, settings, 12)
    again = retrieve("exercice de reprise", index, embedder, settings, 12, EVERYTHING, Backwards())
    assert [hit.passage.id for hit in again[:3]] == [hit.passage.id for hit in reversed(plain[:3])]
    assert [hit.passage.id for hit in again[3:]] == [hit.passage.id for hit in plain[3:]]
    assert [hit.score for hit in again] == sorted((hit.score for hit in again), reverse=True)


def test_a_page_does_not_take_every_place() -> None:
    embedder = HashEmbedder()
    made = [passage(i, f"exercice de reprise {i}", page=1 if i < 8 else i) for i in range(12)]
    index = index_of(made, embedder)
    hits = retrieve("exercice de reprise", index, embedder, RetrieveSettings(floor=-1, per_page=2), 6)
    assert sum(hit.passage.page == 1 for hit in hits) == 2
    assert len(spread(hits, 6, 1)) == 6


def test_nothing_near_is_nothing_found() -> None:
    embedder = HashEmbedder(4096)
    index = index_of(split(read(CORPUS / "dce" / "pf.docx"), 700), embedder)
    floor, none = RetrieveSettings(floor=0.3), RetrieveSettings(floor=-1)
    assert retrieve("tarte aux pommes", index, embedder, floor, 5) == []
    assert retrieve("tarte aux pommes et plan de reprise", index, embedder, none, 5)
    assert retrieve("exercice de reprise annuel", index, embedder, floor, 5)


def test_an_empty_index_finds_nothing() -> None:
    assert retrieve("reprise", index_of([], HashEmbedder()), HashEmbedder(), RetrieveSettings(), 5) == []


def test_another_lot_and_another_document_are_left_out() -> None:
    embedder = HashEmbedder()
    lots = [None, "1", "2"]
    made = [passage(i, f"exercice {i}", lot=lots[i % 3], kind="dce", document=f"{i}.pdf") for i in range(9)]
    index = index_of(made, embedder)
    settings = RetrieveSettings(floor=-1)
    hits = retrieve("exercice", index, embedder, settings, 9, Filters(lot="2"))
    assert sorted({hit.passage.lot or "" for hit in hits}) == ["", "2"]
    assert len(hits) == 6
    hits = retrieve("exercice", index, embedder, settings, 9, Filters(document="P4"))
    assert [hit.passage.id for hit in hits] == ["p4"]  # in memory, a passage's path is its name


def test_any_cross_encoder_folder_reads_pairs(tmp_path: Path) -> None:
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(vocabulary), num_labels=1, **size))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    passages = [passage(1, "la sauvegarde"), passage(2, "licence logiciel libre")]
    scores = CrossEncoder(tmp_path).score("le service", passages)
    assert scores.shape == (2,)
    alone = CrossEncoder(tmp_path).score("le service", passages[1:])
    assert scores[1] == pytest.approx(float(alone[0]), abs=1e-5)
    assert scores[0] != scores[1]


def test_a_folder_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"retrieve\.reranker"):
        CrossEncoder(tmp_path)


@pytest.mark.weights
def test_pieces_are_the_text_without_prompt_or_marks(model_path: Callable[[str], Path]) -> None:
    embedder = FolderEmbedder(model_path("multilingual-e5-small"), "0" * 64, 16, "float32")
    asked, read = embedder.pieces(["sauvegarde"], "query")[0], embedder.pieces(["sauvegarde", "la licence"], "passage")
    assert asked.ids == read[0].ids
    assert [len(pieces.ids) for pieces in read] == [len(pieces.vectors) for pieces in read]
    np.testing.assert_allclose(np.linalg.norm(read[1].vectors, axis=1), 1, rtol=1e-5)
    made = [passage(1, "La sauvegarde est quotidienne."), passage(2, "Le menu change chaque jour.")]
    assert LateInteraction(embedder).score("Quand sauvegarde-t-on ?", made).argmax() == 0

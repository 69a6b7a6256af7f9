"""How buyers word the naming of files: made-up wordings in tests/documents/naming.yaml, eight of them held out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pack.kinds import TO_FILL, file_words, kinds, kinds_in
from pipeline.pack.names import Bidder, Namer, Subject
from pipeline.pack.naming import read_naming
from pipeline.records import Block, Document, NamingRule
from tests.conftest import ROOT

CASES = yaml.safe_load((ROOT / "tests/documents/naming.yaml").read_text(encoding="utf-8"))
KIND = {kind.name: kind for kind in kinds()}
MEMOIRE = Subject(code="D1", kind=KIND["Memoire"], title="Mémoire technique", number=7, side="offre")


def read(*texts: str) -> NamingRule:
    blocks = tuple(Block(kind="paragraph", text=text, page=4) for text in texts)
    return read_naming([Document(name="rc.pdf", sha256="0" * 64, kind="dce", pages=9, blocks=blocks)])


def name(rule: NamingRule, subject: Subject = MEMOIRE, extension: str = ".pdf", candidate: str = "Ostréane") -> str:
    return Namer(rule, Bidder(candidate, "2"), "2026-17", "2027-02-12").name(subject, extension, ()).name


@pytest.mark.parametrize("case", CASES["known"] + CASES["held_out"], ids=lambda case: case["text"][:60])
def test_a_buyers_wording_gives_the_name_it_asks_for(case: dict[str, Any]) -> None:
    rule = read(case["text"])
    assert name(rule).lower() == case["name"].lower()
    assert rule.max_chars == case.get("max")
    assert list(rule.refused) == case.get("refused", [])
    assert rule.with_extension is case.get("extension", True)


def test_a_buyers_capitals_and_fixed_text_are_kept() -> None:
    assert name(read("Les fichiers seront nommés : GAM26_NOMCANDIDAT_LOT1_piece.")) == "GAM26_OSTREANE_LOT2_D1.pdf"
    assert name(read("Les fichiers seront nommés : nomducandidat_LotX_piece.")) == "Ostreane_Lot2_D1.pdf"


def test_the_rule_is_shown_with_its_place() -> None:
    rule = read("Le pli est déposé en ligne.", "Les fichiers sont nommés : L1_NOMCANDIDAT.pdf.")
    assert rule.patterns[0].text == "{piece}_{CANDIDAT}"
    assert (rule.places[0].document, rule.places[0].page) == ("rc.pdf", 4)
    assert rule.places[0].quote == "Les fichiers sont nommés : L1_NOMCANDIDAT.pdf."


def test_what_a_person_wrote_in_the_consultation_comes_first() -> None:
    blocks = (Block(kind="paragraph", text="Les fichiers sont nommés : L1_NOMCANDIDAT.pdf."),)
    document = Document(name="rc.pdf", sha256="0" * 64, kind="dce", pages=None, blocks=blocks)
    rule = read_naming([document], ["Les fichiers sont nommés : NOMCANDIDAT_XX_titre."])
    assert name(rule) == "OSTREANE_07_Memoire.pdf"
    assert rule.places[0].document == "consultation.yaml"


def test_a_list_after_a_colon_is_read_with_its_announcement(make_document: Callable[..., Document]) -> None:
    document = make_document(
        ("paragraph", "Les documents relatifs à la candidature sont nommés de la manière suivante :"),
        ("item", "12_07_CAND_xxxxxx_NomSociete"),
        ("paragraph", "Les offres sont remises dans l'un des formats suivants :"),
        ("item", "Format PDF (.pdf) ;"),
        ("item", "Format tableur (.xlsx, .ods)."),
    )
    rule = read_naming([document])
    assert rule.formats == ("pdf", "xlsx", "ods")
    dc1 = Subject(code="", kind=KIND["DC1"], title="", number=1, side="candidature")
    assert name(rule, dc1) == "12_07_CAND_DC1_Ostreane.pdf"
    assert name(rule) == "D1_Memoire.pdf"


def test_sizes_and_folders_are_read() -> None:
    rule = read(
        "Chaque fichier ne dépasse pas 50 Mo.",
        "La taille du pli ne dépasse pas 2 Go.",
        "Le pli est composé de deux dossiers zippés, « candidature » et « offre ».",
    )
    assert (rule.max_file_mb, rule.max_pack_mb) == (50, 2000)
    assert rule.folders == ("candidature", "offre")


def test_formats_of_the_buyers_own_files_or_of_signatures_are_not_imposed_on_the_answer() -> None:
    rule = read(
        "Les candidats doivent disposer de logiciels permettant de lire les formats suivants : .pdf, .zip, .dwf, .doc.",
        "La signature est au format PAdES, les formats suivants étant admis : PDF signé, XML.",
    )
    assert rule.formats == ()


@settings(max_examples=200)
@given(
    candidate=st.text(min_size=0, max_size=60),
    title=st.text(min_size=1, max_size=120),
    limit=st.integers(min_value=20, max_value=60),
    count=st.integers(min_value=1, max_value=5),
)
def test_names_are_safe_unique_and_keep_code_and_extension(candidate: str, title: str, limit: int, count: int) -> None:
    rule = NamingRule(max_chars=limit, patterns=read("Nommer les fichiers : L1_titre_NOMCANDIDAT.pdf.").patterns)
    namer = Namer(rule, Bidder(candidate, ""), "", "")
    subject = Subject(code="D12", kind=None, title=title, number=1, side="offre")
    taken: list[str] = []
    for _ in range(count):
        taken.append(namer.name(subject, ".docx", taken).name)
    assert len({one.lower() for one in taken}) == count
    for one in taken:
        assert re.fullmatch(r"D12(?:_[A-Za-z0-9-]+)*\.docx", one)
        assert len(one) <= max(limit, len("D12_tttttt_CCCCCC_2.docx"))


def test_a_long_name_loses_words_of_its_title_before_letters_of_anything() -> None:
    rule = read("Les fichiers sont nommés : L1_titre_NOMCANDIDAT.pdf, en 30 caractères au plus, extension comprise.")
    subject = Subject(code="D4", kind=None, title="Plan assurance sécurité informatique", number=4, side="offre")
    assert name(rule, subject) == "D4_PlanAssurance_OSTREANE.pdf"
    dume = Subject(code="", kind=KIND["DUME"], title="", number=1, side="candidature")
    assert name(read("Nommer les fichiers : titre_nom, 12 caractères maximum."), dume).startswith("DUME_")


def test_every_line_of_the_list_of_pieces_is_whole() -> None:
    for kind in kinds():
        assert kind.folder in ("candidature", "offre", "acheteur"), kind.name
        assert all(kind.words), kind.name
        assert kind.note in ("", TO_FILL, "certificat") or kind.months, kind.name


def test_a_sigle_counts_in_running_text_only_in_capitals() -> None:
    assert kinds_in("ne pas joindre de cv") == ()
    assert [kind.name for kind in kinds_in("le CV du chef de projet et le PAS")] == ["CV", "PAS"]
    assert [kind.name for kind in kinds_in(file_words("cv_chef"), sigles=False)] == ["CV"]

"""What people correct of what was read, the documents they add, and a citation shown where it stands."""

from __future__ import annotations

import math
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.errors import DossierError
from pipeline.french import fold_spaces
from pipeline.readers import read
from pipeline.records import Correction, Passage
from pipeline.store import FILE
from pipeline.tender.versions import origin_of
from pipeline.workspace import Dossier, create, open_dossier, read_consultation, read_draft
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder
from tests.test_workspace import SETTINGS, draft

BY = "Alix Morvan"


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    root = tmp_path_factory.mktemp("corrections")
    shutil.copytree(CORPUS / "library", root / "library")
    made, _ = create(root / "d", [CORPUS / "dce" / "rc.pdf"], [root / "library"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    draft(made, "4")
    return made


@pytest.fixture
def dossier(drafted: Dossier, tmp_path: Path) -> Dossier:
    shutil.copytree(drafted.root, tmp_path / "d")
    return open_dossier(tmp_path / "d")


# --- corrections -------------------------------------------------------------------------------------------


def test_a_correction_is_believed_told_and_survives_a_new_reading(dossier: Dossier) -> None:
    before = read_consultation(dossier)
    old = before.criteria[0]
    correction = Correction(pointer="/criteria/0/weight", value=55)
    after = run.correct_tender(dossier, [correction], BY)
    assert after.criteria[0] == old.model_copy(update={"weight": 55.0})
    assert after.criteria[1:] == before.criteria[1:]
    assert origin_of(after, "criteria", after.criteria[0]) == "person"
    assert origin_of(after, "criteria", after.criteria[1]) == "rules"
    (line,) = [line for line in dossier.journal() if line["what"] == "correct"]
    assert (line["by"], line["changes"]) == (
        BY,
        [{"pointer": "/criteria/0/weight", "before": old.weight, "after": 55}],
    )
    again = run.read_dossier(dossier)
    assert again.tender.criteria[0].weight == 55.0
    assert again.conflicts == ()


def test_items_are_added_and_removed(dossier: Dossier) -> None:
    before = read_consultation(dossier)
    after = run.correct_tender(
        dossier,
        [
            Correction(pointer="/criteria/-", value={"label": "Délais", "weight": 5, "unit": "%"}),
            Correction(pointer="/criteria/0", op="remove"),
            Correction(pointer="/plan/0/points/-", value="Un point\x00 de plus"),
        ],
        BY,
    )
    assert [c.label for c in after.criteria] == [*[c.label for c in before.criteria[1:]], "Délais"]
    assert after.plan[0].points[-1] == "Un point de plus"
    assert run.read_dossier(dossier).tender.criteria == after.criteria


def test_a_renamed_criterion_still_pays_its_chapter(dossier: Dossier) -> None:
    before = {state.number: state.weight for state in run.section_states(dossier)}
    tender = read_consultation(dossier)
    paid = next(link.source for link in tender.links if link.kind == "criterion")
    at = next(n for n, criterion in enumerate(tender.criteria) if criterion.label == paid)
    run.correct_tender(dossier, [Correction(pointer=f"/criteria/{at}/label", value="Tout autre nom")], BY)
    assert {state.number: state.weight for state in run.section_states(dossier)} == before


@pytest.mark.parametrize(
    ("pointer", "value", "told"),
    [
        ("/criteria/0/weight", "beaucoup", "critères → 1 → poids.*un nombre est attendu"),
        ("/criteria/0/weight", math.nan, "critères → 1 → poids.*un nombre est attendu"),
        ("/criteria/0/weight", -5, "critères → 1 → poids.*positif"),
        ("/criteria/0/unit", "kg", "critères → 1 → unité.*une de ces valeurs"),
        ("/criteria/0/page", 1.5, "critères → 1 → page.*nombre entier"),
        ("/criteria/0", "Prix", "critères → 1.*ensemble de champs"),
        ("/criteria", "Prix", "critères.*une liste"),
        ("/plan/0/title", 4, "plan → 1 → titre.*un texte"),
        ("/plan/0/title", None, "plan → 1 → titre.*un texte"),
        ("/deadlines/0/date", "le 12 mars", "dates → 1 → date.*AAAA-MM-JJ"),
        ("/deadlines/0/date", "2027-02-30", "dates → 1 → date.*AAAA-MM-JJ"),
        ("/criteria/-", {"label": "a", "colour": "red"}, "colour.*n'existe pas"),
        ("/criteria/-", {"weight": 3}, "intitulé.*manque"),
        ("/criteria/99/weight", 1, "n'existe pas"),
        ("/criteria/01/weight", 1, "n'existe pas"),
        ("/origins/0", {}, "n'existe pas"),
        ("/__class__", 1, "n'existe pas"),
        ("/nouveau", 1, "n'existe pas"),
        ("criteria", [], "une place comme"),
        ("", {}, "une place comme"),
    ],
)
def test_what_is_no_tender_is_refused_with_its_field(dossier: Dossier, pointer: str, value: Any, told: str) -> None:
    before = dossier.consultation.read_bytes()
    good = Correction(pointer="/object", value="Autre objet")
    with pytest.raises(DossierError, match=told.replace("'", "['’]")):
        run.correct_tender(dossier, [good, Correction(pointer=pointer, value=value)], BY)
    assert dossier.consultation.read_bytes() == before
    assert not any(line["what"] == "correct" for line in dossier.journal())


def test_a_name_with_a_slash_or_a_tilde_is_escaped(dossier: Dossier) -> None:
    with pytest.raises(DossierError, match="a/b~c"):
        run.correct_tender(dossier, [Correction(pointer="/a~1b~0c", value=1)], BY)


def test_corrections_at_once_and_while_it_is_read_are_all_kept(dossier: Dossier) -> None:
    count = 8
    barrier = threading.Barrier(count + 1)

    def correct(n: int) -> None:
        barrier.wait()
        run.correct_tender(dossier, [Correction(pointer="/pieces/-", value=f"Pièce numéro {n}")], f"p{n}")

    threads = [threading.Thread(target=correct, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    barrier.wait()
    run.read_dossier(dossier)
    for thread in threads:
        thread.join()
    assert {f"Pièce numéro {n}" for n in range(count)} <= set(read_consultation(dossier).pieces)


# --- documents ---------------------------------------------------------------------------------------------


def test_more_documents_never_replace_one_silently(dossier: Dossier, tmp_path: Path) -> None:
    folder = tmp_path / "recu"
    folder.mkdir()
    (folder / "avis.txt").write_text("Un avis rectificatif.", encoding="utf-8")
    (folder / "image.psd").write_bytes(b"8BPS")
    shutil.copy(CORPUS / "dce" / "rc.pdf", folder / "rc.pdf")
    with zipfile.ZipFile(folder / "lot.zip", "w") as archive:
        archive.writestr("annexes/annexe.txt", "Une annexe.")
        archive.writestr("../dehors.txt", "Non.")
    told = run.add_files(dossier, [folder])
    assert sorted(path.relative_to(dossier.dce).as_posix() for path in dossier.dce_files()) == [
        "avis.txt",
        "lot/annexes/annexe.txt",
        "rc.pdf",
    ]
    assert any("image.psd" in line and "format non lu" in line for line in told)
    assert "rc.pdf : déjà dans le dossier, à l'identique." in told
    assert any("dehors" in line for line in told)
    assert not list(tmp_path.rglob("dehors.txt"))
    (folder / "avis.txt").write_text("Un second avis.", encoding="utf-8")
    names = sorted(dossier.dce_files())
    assert run.add_files(dossier, [folder / "avis.txt"]) == ["avis.txt : nouvelle version ; la précédente est gardée."]
    assert sorted(dossier.dce_files()) == names
    assert (dossier.dce / "avis.txt").read_text(encoding="utf-8") == "Un second avis."
    (kept,) = (dossier.dce / ".versions").rglob("avis.txt")
    assert kept.read_text(encoding="utf-8") == "Un avis rectificatif."
    assert [line["file"] for line in dossier.journal() if line["what"] == "add"].count("avis.txt") == 2
    with pytest.raises(DossierError, match="introuvable"):
        run.add_files(dossier, [folder / "absent.pdf"])


# --- sources -----------------------------------------------------------------------------------------------


def cited(dossier: Dossier) -> list[Passage]:
    found = [read_draft(dossier, number) for number in ("4.1", "4.2", "4.3", "4.4")]
    return [passage for section in found if section for passage in section.passages]


def test_a_citation_is_shown_where_it_stands(dossier: Dossier) -> None:
    seen = set()
    for passage in cited(dossier):
        view = run.source_of(dossier, passage)
        assert view.found
        assert (view.document, view.page, view.article) == (passage.document, passage.page, passage.article)
        assert view.text.strip()
        assert len(view.before) <= 1600  # an alias may be longer than the name it masks
        assert len(view.after) <= 1600
        assert (view.file is None) == bool(passage.client_alias)
        assert view.file is None or Path(view.file).is_file()
        seen.add((bool(view.before), bool(view.after)))
    assert (True, True) in seen


def test_the_words_around_are_those_of_the_file(dossier: Dossier) -> None:
    pairs = {(p.document, p.id): p for p in cited(dossier) if p.kind == "response" and p.client_alias is None}
    assert pairs
    texts = set()
    for passage in pairs.values():
        view = run.source_of(dossier, passage)
        assert view.file is not None
        whole = fold_spaces(read(Path(view.file), "response").text)
        assert fold_spaces(f"{view.before}{view.text}{view.after}") in whole
        assert all(word in view.text for word in passage.text.split()[1:6])
        texts.add(view.text)
    assert len(texts) == len(pairs)


def test_a_confidential_client_is_masked_and_told(dossier: Dossier) -> None:
    secrets = run.drafting.secrets_of(dossier)
    hidden = [p for p in cited(dossier) if p.client_alias]
    assert secrets
    for passage in hidden:
        view = run.source_of(dossier, passage)
        assert passage.client_alias is not None
        assert passage.client_alias in fold_spaces(view.confidential)
        assert not any(form in f"{view.before} {view.text} {view.after}" for form, _ in secrets)
    made_up = cited(dossier)[0].model_copy(update={"client_alias": "un hôpital", "kind": "response"})
    assert "un hôpital" in run.source_of(dossier, made_up).confidential


def test_an_expired_certificate_is_told(dossier: Dossier) -> None:
    passage = cited(dossier)[0].model_copy(update={"until": "2020-01-31"})
    assert "expiré le 31 janvier 2020" in run.source_of(dossier, passage).notice


def test_without_an_index_the_passage_stands_alone(dossier: Dossier) -> None:
    passage = cited(dossier)[0]
    gone = passage.model_copy(update={"id": "f" * 12, "text": "Un fait d'alors."})
    assert (run.source_of(dossier, gone).text, run.source_of(dossier, gone).found) == ("Un fait d'alors.", False)
    (dossier.index / FILE).write_bytes(b"\x00" * 4096)
    assert not run.source_of(dossier, passage).found
    shutil.rmtree(dossier.index)
    view = run.source_of(dossier, passage)
    assert (view.before, view.text, view.after, view.file) == ("", passage.text, "", None)
    assert not dossier.index.exists()


def test_a_file_that_left_the_library_is_not_given_out(dossier: Dossier, tmp_path: Path) -> None:
    passage = next(p for p in cited(dossier) if p.kind == "firm")
    text = (dossier.root / "dossier.yaml").read_text(encoding="utf-8")
    (dossier.root / "dossier.yaml").write_text(text.split("library:")[0] + "library: []\n", encoding="utf-8")
    view = run.source_of(dossier, passage)
    assert (view.found, view.file) == (True, None)

"""A dossier from end to end with fakes: created, read, indexed, drafted, exported, scored; nothing human lost."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path

import docx
import pytest
import yaml

from pipeline import run
from pipeline.coverage import cover
from pipeline.errors import DossierError, IndexMismatchError, MemoireError, PlanMissingError
from pipeline.export.text import report_to_html, report_to_junit, to_html, to_markdown
from pipeline.export.word import to_docx
from pipeline.llm import Prompt
from pipeline.readers.docx import read_docx
from pipeline.records import Metric
from pipeline.settings import Settings
from pipeline.store import FILE
from pipeline.tender.links import chapter_for
from pipeline.tender.versions import stale_sections
from pipeline.workspace import Dossier, create, open_dossier, read_consultation, read_draft
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel

SETTINGS = Settings()


def echo(prompt: Prompt) -> str:
    return prompt.request.split("Extrait : ")[1].split("\n")[0]


def draft(dossier: Dossier, *sections: str, force: bool = False) -> list[Path | None]:
    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    steps = run.draft_dossier(dossier, choice, sections, lambda: ScriptedModel(echo), SETTINGS, force=force)
    return [done.path for done in steps]


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    root = tmp_path_factory.mktemp("dossiers") / "slh"
    dossier, _ = create(root, [CORPUS / "dce"], [CORPUS / "library"])
    run.read_dossier(dossier)
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    draft(dossier, "4")
    return dossier


@pytest.fixture
def dossier(tmp_path: Path) -> Dossier:
    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [CORPUS / "library" / "entreprise"])
    run.read_dossier(made)
    return made


def test_the_document_has_exactly_the_buyers_headings(drafted: Dossier) -> None:
    plan = read_consultation(drafted).plan
    blocks, _ = read_docx(to_docx(run.memoire_of(drafted)), "export")
    assert [block.text for block in blocks if block.kind == "heading"] == [node.heading for node in plan]


def test_every_drafted_sentence_is_cited_with_document_and_page(drafted: Dossier) -> None:
    for number in ("4.1", "4.2", "4.3"):
        section = read_draft(drafted, number)
        assert section is not None
        known = {passage.id: passage for passage in section.passages}
        for paragraph in section.paragraphs:
            assert paragraph.sentences or paragraph.gap
            for sentence in paragraph.sentences:
                assert sentence.passages
                assert all(known[name].page and known[name].document for name in sentence.passages)


def test_sections_not_drafted_are_marked(drafted: Dossier) -> None:
    text = "\n".join(p.text for p in docx.Document(io.BytesIO(to_docx(run.memoire_of(drafted)))).paragraphs)
    assert text.count("[À RÉDIGER") == 16
    assert "Liste des sources" in text
    assert "[1]" in text


def test_what_helps_the_reader_is_in_the_document(drafted: Dossier) -> None:
    memoire = run.memoire_of(drafted)
    document = docx.Document(io.BytesIO(to_docx(memoire)))
    titles = [p.text for p in document.paragraphs if p.style is not None and p.style.name == "Titre liminaire"]
    assert titles == [
        "Table des matières", "Liste des figures", "Liste des tableaux", "Points à compléter",
        "Points appuyés sur la seule expérience", "Matrice de conformité", "Glossaire", "Liste des sources",
    ]  # fmt: skip
    tables = {tuple(cell.text for cell in table.rows[0].cells): table for table in document.tables}
    matrix = tables["Exigence", "Caractère", "Document, article et page", "Section", "Conformité"]
    assert len(matrix.rows) - 1 == len(memoire.compliance)
    terms = dict([cell.text for cell in row.cells] for row in tables["Sigle", "Signification"].rows[1:])
    assert terms["RTO"].startswith("durée maximale") or "interruption" in terms["RTO"]
    asked = tables["Exigence", "Énoncé", "Notre réponse", "Source", "Conformité"]
    assert all(row.cells[3].text.startswith("[") for row in asked.rows[1:] if not row.cells[2].text.endswith("—"))
    page = to_html(memoire)
    assert "Points appuyés sur la seule expérience" in page
    assert "Glossaire" in page


def test_a_deliverable_is_drafted_from_its_own_points_and_exported_alone(dossier: Dossier) -> None:
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    choice = run.choose(dossier, HashEmbedder(), SETTINGS, "D3")
    done = list(run.draft_dossier(dossier, choice, [], lambda: ScriptedModel(echo), SETTINGS))
    assert [step.section.number for step in done] == ["D3.1", "D3.2", "D3.3", "D3.4"]
    path = run.export_dossier(dossier, None, "docx", SETTINGS, deliverable="D3").path
    assert path.name == "D3.docx"
    headings = [block.text for block in read_docx(path.read_bytes(), "D3")[0] if block.kind == "heading"]
    assert headings[0].startswith("D3 – NOTE PCA/PRA")
    assert len(headings) == 5
    assert run.memoire_of(dossier).sections == ()
    with pytest.raises(MemoireError, match="D9"):
        run.choose(dossier, HashEmbedder(), SETTINGS, "D9")


def test_no_confidential_client_leaves(drafted: Dossier) -> None:
    memoire = run.memoire_of(drafted)
    assert "corvane" not in to_markdown(memoire).lower()
    assert "corvane" not in to_html(memoire).lower()


def test_html_is_self_contained_and_escapes(drafted: Dossier) -> None:
    memoire = run.memoire_of(drafted).model_copy(update={"title": "<script>alert(1)</script>"})
    page = to_html(memoire)
    assert "<script>" not in page
    assert "http" not in page


def test_coverage_counts_what_is_drafted(drafted: Dossier) -> None:
    report = run.evaluate_dossier(drafted)
    assert report.metrics["plan_conformity"].value == 1.0
    assert report.metrics["citation_recall"].value == 1.0
    assert report.metrics["evidence_present"].n == 2  # of the sections drafted, 4.1 and 4.3 ask for some
    verdicts = {
        point.verdict for section in report.sections if section.number.startswith("1") for point in section.points
    }
    assert verdicts == {"missing"}
    paid = {criterion.weight: criterion.coverage for criterion in report.criteria}
    assert paid[30] is None
    assert paid[15] is not None
    assert paid[15] > 0.5
    assert paid[5] == 0
    assert "Conformité au plan" in report_to_html(report, "x")
    assert report_to_junit(report).count("<testcase") == sum(len(section.points) for section in report.sections)


def test_coverage_reads_the_document_not_the_plan(drafted: Dossier) -> None:
    memoire, tender = run.memoire_of(drafted), read_consultation(drafted)
    plan = memoire.plan
    headings = [node.heading for node in plan]

    def conformity(plan: object, found: list[str]) -> Metric:
        return cover(tender, memoire, found, {}).metrics["plan_conformity"]

    assert conformity(plan, headings).value == 1.0
    assert (conformity(plan, headings[1:]).value or 0) < 1.0
    assert (conformity(plan, [*headings, "7 Divers"]).value or 0) < 1.0
    assert (conformity(plan, [headings[1], headings[0], *headings[2:]]).value or 0) < 1.0


def test_nothing_is_drafted_twice_and_force_redoes(drafted: Dossier) -> None:
    assert draft(drafted, "4.2") == [None]
    assert draft(drafted, "4.2", force=True) != [None]


def test_interrupting_loses_at_most_the_section_in_hand(dossier: Dossier) -> None:
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)

    class Stops(ScriptedModel):
        def stream(self, feed, max_tokens, progress=None):  # type: ignore[no-untyped-def]
            for number, given in enumerate(super().stream(feed, max_tokens, progress)):
                if number > 20:
                    raise KeyboardInterrupt
                yield given

    choice = run.choose(dossier, HashEmbedder(), SETTINGS)
    steps = run.draft_dossier(dossier, choice, [], lambda: Stops(echo), SETTINGS)
    done = []
    with pytest.raises(KeyboardInterrupt):
        done.extend(step.section.number for step in steps)
    assert done
    assert all(read_draft(dossier, number) for number in done)
    assert not list(dossier.root.rglob("*.partial"))
    again = draft(dossier)
    assert again.count(None) == len(done)


def test_a_text_changed_by_hand_is_never_overwritten(dossier: Dossier) -> None:
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    draft(dossier, "4.2")
    path = dossier.draft("4.2")
    human = json.loads(path.read_text(encoding="utf-8"))
    human["paragraphs"][0]["gap"] = "Texte écrit à la main."
    path.write_text(json.dumps(human), encoding="utf-8")
    before = path.read_bytes()
    written = draft(dossier, "4.2", force=True)
    assert written[0] is not None
    assert written[0].name == "4.2.proposed.json"
    assert path.read_bytes() == before


def test_a_correction_is_believed_and_survives_the_next_reading(dossier: Dossier) -> None:
    text = dossier.consultation.read_text(encoding="utf-8")
    own = "# Relu par la direction technique\n" + text.replace("title: Pilotage", "title: Pilotage corrigé")
    dossier.consultation.write_text(own, encoding="utf-8")
    result = run.read_dossier(dossier)
    assert any(node.title == "Pilotage corrigé" for node in result.tender.plan)
    assert result.conflicts == ()
    assert {(o.field, o.by) for o in result.tender.origins} == {("plan", "person")}
    assert dossier.consultation.read_text(encoding="utf-8") == own, "nothing to merge: comments stay"


def test_a_wrong_correction_names_the_field(dossier: Dossier) -> None:
    value = yaml.safe_load(dossier.consultation.read_text(encoding="utf-8"))
    value["plan"][0]["level"] = "deux"
    dossier.consultation.write_text(yaml.safe_dump(value), encoding="utf-8")
    with pytest.raises(DossierError, match="plan → 0 → level"):
        read_consultation(dossier)


def test_a_tender_without_plan_asks_for_one(tmp_path: Path) -> None:
    rc = tmp_path / "rc.txt"
    rc.write_text(
        "RÈGLEMENT DE LA CONSULTATION\n\nLa consultation a pour objet la fourniture de chaises.\n", encoding="utf-8"
    )
    dossier, _ = create(tmp_path / "d", [rc], [CORPUS / "library" / "entreprise"])
    tender = run.read_dossier(dossier).tender
    assert tender.plan == ()
    assert "plan:" in dossier.consultation.read_text(encoding="utf-8").split("object:")[0]
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    with pytest.raises(PlanMissingError):
        draft(dossier)


def test_a_dossier_is_not_made_twice_nor_half_made(tmp_path: Path) -> None:
    with pytest.raises(DossierError, match="introuvable"):
        create(tmp_path / "d", [tmp_path / "absent.pdf"], [])
    assert list(tmp_path.iterdir()) == []
    create(tmp_path / "d", [CORPUS / "dce"], [])
    with pytest.raises(DossierError, match="existe déjà"):
        create(tmp_path / "d", [CORPUS / "dce"], [])


def test_two_commands_do_not_write_at_once(dossier: Dossier) -> None:
    with dossier.lock(), pytest.raises(DossierError, match="Une autre commande"), Dossier(dossier.root).lock():
        pass


def test_a_second_indexing_waits_for_the_first(dossier: Dossier) -> None:
    done: list[run.Indexed] = []
    waited = threading.Event()

    def second() -> None:
        done.append(run.index_dossier(dossier, HashEmbedder(), SETTINGS, lambda stage, *_: waited.set()))

    thread = threading.Thread(target=second)
    with dossier.lock():
        thread.start()
        assert waited.wait(10)
        assert not done
    thread.join(30)
    assert done[0].counts["dce"] > 50


def test_what_is_no_dossier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DossierError, match="memoire new"):
        open_dossier(tmp_path)


def test_a_section_that_is_not_in_the_plan_is_named(dossier: Dossier) -> None:
    run.index_dossier(dossier, HashEmbedder(), SETTINGS)
    with pytest.raises(MemoireError, match=r"« 9\.9 »"):
        draft(dossier, "9.9")


def test_copying_the_folder_copies_the_work(drafted: Dossier, tmp_path: Path) -> None:
    import shutil

    copy = Dossier(Path(shutil.copytree(drafted.root, tmp_path / "copie")))
    assert run.memoire_of(copy) == run.memoire_of(drafted)
    assert run.search_dossier(copy, "astreinte", 3, HashEmbedder(), SETTINGS)


def test_a_damaged_index_is_set_aside_and_made_again(tmp_path: Path) -> None:
    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [CORPUS / "library" / "entreprise"])
    with pytest.raises(DossierError, match="pas encore d'index"):
        run.search_dossier(made, "date limite", 5, HashEmbedder(), SETTINGS)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    before = run.search_dossier(made, "date limite de remise des offres", 5, HashEmbedder(), SETTINGS)
    path = made.index / FILE
    path.write_bytes(path.read_bytes()[:40_000] + b"rien" * 10_000)
    assert run.search_dossier(made, "date limite de remise des offres", 5, HashEmbedder(), SETTINGS) == before
    assert len(list(made.root.glob("index.ecarte-*"))) == 1


def test_an_index_by_another_model_is_refused_then_made_again_beside(tmp_path: Path) -> None:
    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [])
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    with pytest.raises(IndexMismatchError, match="memoire index"):
        run.search_dossier(made, "date limite", 5, HashEmbedder(64), SETTINGS)
    assert run.index_dossier(made, HashEmbedder(64), SETTINGS).set_aside is not None
    assert run.search_dossier(made, "date limite", 5, HashEmbedder(64), SETTINGS)


def test_the_library_says_what_it_holds_and_what_is_no_proof(drafted: Dossier) -> None:
    found = run.library_of([drafted], HashEmbedder(), SETTINGS)
    items = {item.document: item for item in found.items}
    assert items["corvane.docx"].client == "Mutuelle Hospitalis Corvane"
    assert items["corvane.docx"].confidential
    assert any("ISO 9001" in told and "expiré le 31 mars 2026" in told for told in items["certificats.yaml"].notices)
    assert items["keycloak.md"].notices == ("faits de juin 2025, de plus de 12 mois : à vérifier",)
    assert sum(item.used for item in found.items) > 5
    assert any(item.used == 0 for item in found.items)
    assert all(pair.first.document != pair.second.document for pair in found.alike)


def test_passages_that_repeat_another_document_are_told(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    said = "Le support de niveau 2 répond en trente minutes, tous les jours, y compris les jours fériés."
    for name, text in (("a", said), ("b", f"{said} Toujours."), ("c", "Les sauvegardes sont chiffrées.")):
        (tmp_path / "library" / f"{name}.txt").write_text(text, encoding="utf-8")
    made, _ = create(tmp_path / "d", [CORPUS / "dce" / "rc.pdf"], [tmp_path / "library"])
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), SETTINGS)
    pairs = run.library_of([made], HashEmbedder(), SETTINGS).alike
    assert [(pair.first.document, pair.second.document) for pair in pairs] == [("a.txt", "b.txt")]


def test_a_zip_from_the_portal_becomes_a_dossier(tmp_path: Path) -> None:
    archive = tmp_path / "DCE.zip"
    with zipfile.ZipFile(archive, "w") as package:
        package.write(CORPUS / "dce" / "rc.pdf", "01 - Règlement/RC.pdf")
        package.writestr("02 - Plans/plan.dwg", b"AC1032")
        package.writestr("../dehors.txt", b"non")
    dossier, left = create(tmp_path / "d", [archive], [])
    assert [path.relative_to(dossier.dce).as_posix() for path in dossier.dce_files()] == ["DCE/01 - Règlement/RC.pdf"]
    assert any("plan.dwg" in line for line in left)
    assert any("dehors" in line for line in left)
    assert not (tmp_path / "dehors.txt").exists()
    assert len(run.read_dossier(dossier).tender.plan) == 26


def test_a_piece_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "dce"
    folder.mkdir()
    (folder / "rc.pdf").write_bytes((CORPUS / "dce" / "rc.pdf").read_bytes())
    (folder / "casse.pdf").write_bytes(b"%PDF-1.4 rien")
    dossier, _ = create(tmp_path / "d", [folder], [])
    result = run.read_dossier(dossier)
    tender, unread = result.tender, result.unread
    assert tender.plan
    assert len(unread) == 1
    assert "casse.pdf" in unread[0]


def test_a_new_version_of_the_tender_is_compared_with_the_last(tmp_path: Path) -> None:
    text = """RÈGLEMENT DE LA CONSULTATION

Article 1 - Plan du mémoire technique
1. Organisation
- moyens humains
- moyens matériels
2. Méthode
- phasage
- contrôle
3. Délais
- planning

Article 2 - Jugement des offres
- Prix : 40 %
- Valeur technique : 60 %
"""
    rc = tmp_path / "rc.txt"
    rc.write_text(text, encoding="utf-8")
    dossier, _ = create(tmp_path / "d", [rc], [])
    assert run.read_dossier(dossier).changes == ()
    assert run.read_dossier(dossier).changes == ()
    held = dossier.dce_files()[0]
    changed = (
        text.replace("- contrôle", "- contrôle et essais").replace("Prix : 40", "Prix : 30").replace(": 60", ": 70")
    )
    held.write_text(changed, encoding="utf-8")
    changes = run.read_dossier(dossier).changes
    assert {(change.field, change.kind) for change in changes} == {("plan", "changed"), ("criteria", "changed")}
    assert stale_sections(changes, read_consultation(dossier).plan) == ("2",)


RECTIFIED = """RÈGLEMENT DE LA CONSULTATION

Article 1 - Plan du mémoire technique
1. Organisation
- moyens humains
2. Méthode
- phasage
3. Délais
- planning

Article 2 - Jugement des offres
- Prix : 40 %
- Valeur technique : 60 %
"""


def test_a_correction_meets_a_new_version_of_the_tender(tmp_path: Path) -> None:
    rc = tmp_path / "rc.txt"
    rc.write_text(RECTIFIED, encoding="utf-8")
    dossier, _ = create(tmp_path / "d", [rc], [])
    run.read_dossier(dossier)
    text = dossier.consultation.read_text(encoding="utf-8")
    mine = yaml.safe_load(text)
    mine["buyer"] = "Ville de Brumeval"
    mine["criteria"][0]["weight"] = 35
    mine["plan"].append({"number": "4", "title": "Annexes", "level": 1})
    mine["documents"][0]["piece"] = "CADRE"
    dossier.consultation.write_text(yaml.safe_dump(mine, allow_unicode=True), encoding="utf-8")
    new = RECTIFIED.replace("Prix : 40", "Prix : 30").replace("technique : 60", "technique : 70")
    dossier.dce_files()[0].write_text(new.replace("- planning", "- planning détaillé"), encoding="utf-8")
    result = run.read_dossier(dossier)
    assert [(c.label, c.weight) for c in result.tender.criteria] == [("Prix", 35), ("Valeur technique", 70)]
    assert [(c.field, c.kept, c.read) for c in result.conflicts] == [("criteria", "Prix : 35 %", "Prix : 30 %")]
    assert result.tender.buyer == "Ville de Brumeval"
    assert [node.title for node in result.tender.plan] == ["Organisation", "Méthode", "Délais", "Annexes"]
    assert result.tender.plan[2].points == ("planning détaillé",)
    assert result.tender.documents[0].piece == "CADRE"
    assert {o.field for o in result.tender.origins if o.by == "person"} == {"buyer", "criteria", "plan", "documents"}
    kept = dossier.root / "consultation.precedente.yaml"
    assert yaml.safe_load(kept.read_text(encoding="utf-8"))["criteria"][0]["weight"] == 35
    assert run.read_dossier(dossier).conflicts == (), "told once: the correction now stands against what was read"


def test_links_give_their_reason_and_can_be_corrected(dossier: Dossier) -> None:
    tender = read_consultation(dossier)
    links = {(link.kind, link.source): link for link in tender.links}
    support = next(link for (kind, _), link in links.items() if kind == "criterion" and link.target == "4")
    assert support.reason == "chapitre nommé"
    assert links["deliverable", "D5"].target == "4.4"
    assert "réversibilité" in links["deliverable", "D5"].reason
    assert {link.kind for link in tender.links} == {"criterion", "requirement", "deliverable"}
    mine = yaml.safe_load(dossier.consultation.read_text(encoding="utf-8"))
    next(x for x in mine["links"] if x["source"] == support.source)["target"] = "2"
    dossier.consultation.write_text(yaml.safe_dump(mine, allow_unicode=True), encoding="utf-8")
    corrected = run.read_dossier(dossier).tender
    criterion = next(c for c in corrected.criteria if c.label == support.source)
    node = chapter_for(criterion, corrected)
    assert node is not None
    assert node.number == "2"

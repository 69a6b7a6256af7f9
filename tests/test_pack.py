"""The pack from end to end: what is there, what is missing or no longer proof, and a ZIP of the same bytes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from pipeline import run
from pipeline.errors import DocumentError, DossierError
from pipeline.export.checklist import lines
from pipeline.llm import Prompt
from pipeline.pack import Certificate, Consultation, Given, Origin, given
from pipeline.pack.checklist import make_pack, submission
from pipeline.pack.dates import issued_said, months_allowed, no_proof, until_said
from pipeline.pack.names import Bidder
from pipeline.records import Deadline, Deliverable, Pack, PackPiece, Tender, TenderDocument
from pipeline.settings import Settings
from pipeline.workspace import Dossier, create
from tests.conftest import CORPUS
from tests.fakes import HashEmbedder, ScriptedModel
from tests.test_cli import memoire
from tests.test_workspace import SETTINGS

DUE = Deadline(label="Date limite de remise des offres", date="2027-02-12T12:00", text="")
OSTREANE = Bidder("Ostréane")


def text_file(name: str, text: str = "", origin: Origin = "pieces") -> Given:
    path = Path(name)
    return given(text.encode(), path.suffix, origin, name, path.stem)


def pack_of(
    pieces: tuple[str, ...],
    *files: Given,
    deliverables: tuple[Deliverable, ...] = (),
    rules: tuple[str, ...] = (),
    certificates: tuple[Certificate, ...] = (),
    models: dict[str, bytes] | None = None,
) -> Pack:
    tender = Tender(
        pieces=pieces,
        deliverables=deliverables,
        format_rules=rules,
        deadlines=(DUE,),
        documents=tuple(TenderDocument(name=name, piece="BPU") for name in models or ()),
    )
    told = Consultation(tender, (), models or {}, certificates, "2026-11-01")
    return make_pack(told, files, OSTREANE)[0]


def one(pack: Pack) -> PackPiece:
    assert len(pack.pieces) == 1
    return pack.pieces[0]


# --- matching ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "file"),
    [
        ("la lettre de candidature (formulaire DC1 ou équivalent)", "dc1_signe.odt"),
        ("la déclaration du candidat (DC2)", "Declaration du candidat.pdf"),
        ("Un acte d’engagement (AE) et ses annexes", "ATTRI1.pdf"),
        ("Le bordereau des prix unitaires, complété", "BPU-rempli.xlsx"),
        ("La décomposition du prix global et forfaitaire", "DPGF_v2.xlsx"),
        ("Le détail quantitatif estimatif", "dqe.ods"),
        ("Un extrait K-bis de moins de trois mois", "ExtraitKbis.pdf"),
        ("Un relevé d’identité bancaire", "RIB.pdf"),
        ("L’attestation de vigilance délivrée par l’URSSAF", "urssaf-vigilance.pdf"),
        ("Une attestation d’assurance responsabilité civile professionnelle", "RC_Pro.pdf"),
        ("Une note méthodologique", "Memoire_technique_final.docx"),
        ("Le cadre de réponse technique complété", "CRT.docx"),
        ("Le catalogue tarifaire du titulaire", "catalogue tarifaire.pdf"),
        ("Les CV des intervenants", "cv-equipe.pdf"),
        ("Le protocole de sobriété numérique du fournisseur", "protocole-sobriete.pdf"),
        ("Le pouvoir de la personne habilitée à engager le candidat", "delegation_de_signature.pdf"),
    ],
)
def test_a_piece_is_found_by_its_words_and_their_synonyms(piece: str, file: str) -> None:
    found = pack_of((piece,), text_file(file))
    assert one(found).status == "present"
    assert one(found).files == (found.files[0].name,)


@pytest.mark.parametrize(
    ("piece", "file"),
    [
        ("la lettre de candidature (formulaire DC1)", "DC2.pdf"),
        ("Le bordereau des prix unitaires", "DPGF.xlsx"),
        ("L’attestation d’assurance", "attestation-fiscale.pdf"),
        ("Le certificat HDS", "certificat-iso-27001.pdf"),
        ("Le certificat HDS, en référence à l’article 31 de la loi", "references.pdf"),
        ("Un extrait K-bis", "plaquette.pdf"),
    ],
)
def test_another_piece_does_not_stand_for_it(piece: str, file: str) -> None:
    found = pack_of((piece,), text_file(file))
    assert one(found).status in ("missing", "fill")
    assert not found.complete
    assert any("ne répond à aucune pièce" in line for line in found.remarks)


def test_a_file_without_a_telling_name_is_known_by_its_first_words() -> None:
    found = pack_of(("Un extrait K-bis",), text_file("scan001.txt", "Extrait du registre du commerce et des sociétés"))
    assert one(found).status == "present"


def test_pieces_asked_for_together_are_each_wanted() -> None:
    found = pack_of(("les certificats HDS et ISO/IEC 27001, ou leurs équivalents",), text_file("hds.pdf"))
    assert one(found).status == "missing"
    assert one(found).notes == ("Manque\u00a0: ISO27001.",)


def test_a_dume_replaces_the_forms_of_candidature() -> None:
    found = pack_of(("Formulaire DC1", "Formulaire DC2", "Un acte d'engagement"), text_file("dume.xml"))
    assert [piece.status for piece in found.pieces] == ["present", "present", "fill"]


def test_what_depends_on_a_case_is_not_mandatory() -> None:
    found = pack_of(
        ("le cas échéant, les formulaires DC4", "Le jugement, si le candidat est en redressement judiciaire")
    )
    assert [piece.mandatory for piece in found.pieces] == [False, False]
    assert found.complete
    assert pack_of(("DC1, avec l'habilitation en cas de groupement",)).pieces[0].mandatory


def test_a_firms_own_file_replaces_what_was_drafted() -> None:
    item = Deliverable(code="D1", title="Mémoire technique")
    drafted = given(b"x", ".md", "export", "export (D1)", "memoire", "D1")
    found = pack_of((), text_file("memoire-relu.md", "y"), drafted, deliverables=(item,))
    assert one(found).files == ("D1_Memoire.md",)
    assert [file.source for file in found.files if file.piece] == ["memoire-relu.md"]


def test_the_buyers_own_frame_handed_back_as_it_is_is_not_filled_in() -> None:
    found = pack_of(("Le bordereau des prix",), text_file("bpu.txt", "Prix :"), models={"BPU.txt": b"Prix :"})
    assert one(found).status == "fill"
    assert not found.complete
    filled = pack_of(("Le bordereau des prix",), text_file("bpu.txt", "Prix : 3 €"), models={"BPU.txt": b"Prix :"})
    assert one(filled).status == "present"


def test_a_frame_still_to_fill_in_is_named() -> None:
    piece = one(pack_of(("Le bordereau des prix",), models={"BPU.txt": b"Prix :"}))
    assert piece.status == "fill"
    assert "BPU.txt" in piece.notes[0]


# --- validity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("Attestation valable jusqu’au 31 décembre 2026.", "2026-12-31"),
        ("Validité : du 01/01/2026 au 31/12/2026", "2026-12-31"),
        ("Date de fin de validité : 2028-03-15", "2028-03-15"),
        ("Certificat délivré le 3 mars 2026", None),
        ("valable jusqu’au 31 février 2027", None),
    ],
)
def test_the_end_of_validity_is_read(text: str, until: str | None) -> None:
    assert until_said(text) == until


@pytest.mark.parametrize(
    ("text", "stem", "issued"),
    [
        ("Fait à Port-Avelin, le 3 janvier 2027", "dc1", "2027-01-03"),
        ("Attestation délivrée le 12/08/2026 par l’Urssaf", "vigilance", "2026-08-12"),
        ("À jour au 1er septembre 2026", "kbis", "2026-09-01"),
        ("", "kbis-2026-09-01", "2026-09-01"),
        ("", "kbis_20260901", "2026-09-01"),
        ("", "kbis 01-09-2026", "2026-09-01"),
        ("", "iso-27001-2022", None),
    ],
)
def test_the_day_of_issue_is_read(text: str, stem: str, issued: str | None) -> None:
    assert issued_said(text, stem) == issued


def test_the_age_the_buyer_accepts_is_read() -> None:
    assert months_allowed("Extrait K-bis datant de moins de trois (3) mois") == 3
    assert months_allowed("Attestation de moins de 6 mois") == 6
    assert months_allowed("Attestation d'assurance") is None


def test_a_piece_is_no_proof_from_the_day_after() -> None:
    assert no_proof("2027-02-12", None, "2027-02-12", None) is None
    assert no_proof("2027-02-13", None, "2027-02-12", None) is not None
    assert no_proof("2027-02-28", "2026-08-31", None, 6) is None
    assert no_proof("2027-03-01", "2026-08-31", None, 6) is not None


def test_validity_is_counted_to_the_day_of_submission() -> None:
    asked = ("L'attestation d'assurance", "Un extrait K-bis de moins de 3 mois", "L'attestation de vigilance")
    found = pack_of(
        asked,
        text_file("assurance.txt", "valable jusqu'au 31 décembre 2026"),
        text_file("kbis-2026-10-01.txt", "x"),
        text_file("vigilance.txt", "délivrée le 2 janvier 2027"),
    )
    assert [piece.status for piece in found.pieces] == ["expired", "expired", "present"]
    assert "12 février 2027" in found.pieces[0].notes[0]
    assert not found.complete


def test_an_attestation_whose_date_is_not_read_is_told() -> None:
    piece = one(pack_of(("L'attestation de vigilance",), text_file("vigilance.txt", "Attestation")))
    assert piece.status == "present"
    assert "date non lue, 6 mois au plus" in piece.notes[0].replace("\u00a0", " ")


def test_an_expired_certificate_of_the_library_is_no_proof_unless_the_file_is_newer() -> None:
    certificates = (Certificate("ISO 9001:2015", "2026-03-31"), Certificate("HDS v2", "2028-03-15"))
    asked = ("Le certificat ISO 9001", "Le certificat HDS")
    found = pack_of(asked, text_file("iso9001.txt", "Certificat"), certificates=certificates)
    assert [piece.status for piece in found.pieces] == ["expired", "missing"]
    assert "15 mars 2028" in found.pieces[1].notes[0]
    renewed = text_file("iso9001.txt", "Certificat valable jusqu'au 31 mars 2029")
    assert pack_of(asked[:1], renewed, certificates=certificates).complete


def test_the_day_of_submission_is_that_of_the_offers() -> None:
    questions = Deadline(label="Date limite des questions", date="2027-01-10", text="")
    applications = Deadline(label="Retour des candidatures", date="2026-12-01", text="")
    assert submission(Tender(deadlines=(questions, applications, DUE))) == "2027-02-12"
    assert submission(Tender(deadlines=(questions, applications))) == "2026-12-01"
    assert submission(Tender(deadlines=(questions,))) is None


# --- what is told ------------------------------------------------------------------------------------------


def test_what_is_not_ready_is_told_and_blocks_nothing() -> None:
    text = "[À COMPLÉTER : a] [À COMPLÉTER : b] [À RÉDIGER : c] écrit avec l'aide d'un modèle de langage"
    found = pack_of(
        ("Le mémoire technique",),
        text_file("memoire.txt", text),
        rules=(
            "Les formats acceptés sont PDF et ODT.",
            "La taille de chaque fichier ne dépasse pas 0,00001 Mo.",
            "Le mémoire technique ne doit pas dépasser 20 pages.",
        ),
    )
    said = "\n".join(found.remarks).replace("\u00a0", " ")
    for expected in (
        "format « txt » non admis ; admis : pdf, odt",
        "admis par fichier",
        "2 passages [À COMPLÉTER]",
        "1 sections non rédigées",
        "mention de rédaction assistée",
        "pages non comptées dans ce format : l’acheteur en admet 20",
    ):
        assert expected in said.replace("\u202f", " "), expected
    assert found.complete


def test_pages_of_a_pdf_are_counted_and_held_against_the_limit() -> None:
    data = (CORPUS / "dce" / "rc.pdf").read_bytes()
    file = given(data, ".pdf", "asked", "memoire.pdf", "memoire")
    found = pack_of(("Le mémoire technique",), file, rules=("Le mémoire technique ne doit pas dépasser 2 pages.",))
    pages = found.files[0].pages
    assert pages is not None
    assert pages > 2
    assert any(f"{pages} pages" in line and "pour 2 admises" in line for line in found.remarks)


def test_files_lie_in_the_folders_the_buyer_asks_for() -> None:
    rule = "Le pli contient deux dossiers, « Candidature » et « Offre »."
    found = pack_of(("DC1", "L'acte d'engagement"), text_file("dc1.pdf"), text_file("ae.pdf"), rules=(rule,))
    assert [file.name for file in found.files] == ["Candidature/DC1.pdf", "Offre/AE.pdf"]


def test_two_files_of_one_piece_have_two_names() -> None:
    found = pack_of(("Les CV des intervenants",), text_file("cv martin.pdf", "a"), text_file("cv durand.pdf", "b"))
    assert [file.name for file in found.files] == ["CV.pdf", "CV_2.pdf"]
    assert {file.source: file.name for file in found.files}["cv durand.pdf"] == "CV.pdf"


# --- the sample dossier ------------------------------------------------------------------------------------


def echo(prompt: Prompt) -> str:
    return prompt.request.split("Extrait : ")[1].split("\n")[0]


@pytest.fixture(scope="module")
def dossier(tmp_path_factory: pytest.TempPathFactory) -> Dossier:
    root = tmp_path_factory.mktemp("dossiers") / "slh"
    made, _ = create(root, [CORPUS / "dce"], [CORPUS / "library" / "entreprise"])
    settings = Settings()
    run.read_dossier(made)
    run.index_dossier(made, HashEmbedder(), settings)
    for sections, deliverable in ((["4.1"], None), ([], "D5")):
        choice = run.choose(made, HashEmbedder(), settings, deliverable)
        list(run.draft_dossier(made, choice, sections, lambda: ScriptedModel(echo), settings))
    (root / "pieces").mkdir()
    (root / "pieces" / "DC1.odt").write_bytes(b"x")
    (root / "pieces" / "cadre-de-prix.xlsx").write_bytes((CORPUS / "dce" / "cadre-de-prix.xlsx").read_bytes())
    (root / "export" / "cadres").mkdir()
    (root / "export" / "cadres" / "AE.docx").write_bytes(b"x")
    return made


def test_the_sample_is_packed_under_the_buyers_rule(dossier: Dossier) -> None:
    done = run.pack_dossier(dossier, None, [], OSTREANE, SETTINGS)
    names = [file.name for file in done.pack.files]
    assert names == [
        "GANHMA17_AE_OSTREANE.docx",
        "GANHMA17_D1_OSTREANE.docx",
        "GANHMA17_D5_OSTREANE.docx",
        "GANHMA17_DC1_OSTREANE.odt",
        "GANHMA17_PRIX_OSTREANE.xlsx",
    ]
    assert all(len(name) < 40 for name in names)
    status = {piece.label: piece.status for piece in done.pack.pieces}
    assert status["D1 – MÉMOIRE TECHNIQUE"] == status["D5 – PLAN DE RÉVERSIBILITÉ"] == "present"
    assert status["D4 – PLAN D’ASSURANCE SÉCURITÉ"] == "missing"
    assert next(s for label, s in status.items() if label.startswith("le cadre de prix")) == "fill"
    assert done.pack.deadline == "2027-02-12"
    assert not done.pack.complete


def test_the_same_input_gives_the_same_bytes_and_the_list_stays_out_of_the_zip(dossier: Dossier) -> None:
    first = run.pack_dossier(dossier, None, [], OSTREANE, SETTINGS)
    before = first.zip.read_bytes()
    assert run.pack_dossier(dossier, None, [], OSTREANE, SETTINGS).zip.read_bytes() == before
    with zipfile.ZipFile(first.zip) as archive:
        assert archive.namelist() == [file.name for file in first.pack.files]
        assert archive.testzip() is None
    page = first.page.read_text(encoding="utf-8")
    assert first.page.parent == first.zip.parent
    assert "GANHMA17_&lt;piece&gt;_&lt;candidat&gt;" in page
    assert "http" not in page.replace("https://marches.ganhma.example", "")


def test_a_piece_named_on_the_command_line_is_joined(dossier: Dossier, tmp_path: Path) -> None:
    kept = tmp_path / "assurance.txt"
    kept.write_text("valable jusqu'au 31 décembre 2027", encoding="utf-8")
    done = run.pack_dossier(dossier, tmp_path / "p.zip", [kept], OSTREANE, SETTINGS)
    piece = next(piece for piece in done.pack.pieces if "assurance de responsabilité" in piece.label)
    assert piece.status == "present"
    assert next(f for f in done.pack.files if f.source == str(kept)).until == "2027-12-31"


def test_bad_input_is_one_line_and_nothing_is_written(dossier: Dossier, tmp_path: Path) -> None:
    twin = tmp_path / "dc1.ODT"
    twin.write_bytes(b"another")
    target = tmp_path / "p.zip"
    with pytest.raises(DocumentError, match="Pièce introuvable"):
        run.pack_dossier(dossier, target, [tmp_path / "absent.pdf"], OSTREANE, SETTINGS)
    with pytest.raises(DossierError, match="n'est pas un fichier"):
        run.pack_dossier(dossier, target, [tmp_path], OSTREANE, SETTINGS)
    with pytest.raises(DossierError, match=r"Deux fichiers portent le nom « dc1\.odt »|« DC1\.odt »"):
        run.pack_dossier(dossier, target, [twin], OSTREANE, SETTINGS)
    with pytest.raises(DossierError, match="dossier n'existe pas"):
        run.pack_dossier(dossier, tmp_path / "absent" / "p.zip", [], OSTREANE, SETTINGS)
    with pytest.raises(DossierError, match=r"fichier \.zip"):
        run.pack_dossier(dossier, tmp_path / "p.docx", [], OSTREANE, SETTINGS)
    assert list(tmp_path.iterdir()) == [twin]


def test_the_command_exits_1_where_a_mandatory_piece_is_missing_and_0_where_none_is(
    dossier: Dossier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "p.zip")
    code, out, err = memoire(monkeypatch, capsys, "pack", str(dossier.root), "-o", target, "--format", "json")
    assert (code, err) == (1, "")
    told = json.loads(out)
    assert told["zip"] == target
    assert not told["complete"]
    assert any("--candidate" in line for line in told["remarks"])
    rc = tmp_path / "rc.txt"
    rc.write_text("REGLEMENT DE LA CONSULTATION\n\nPièces de l'offre :\n- un extrait K-bis ;\n", encoding="utf-8")
    small, _ = create(tmp_path / "petit", [rc], [])
    run.read_dossier(small)
    (small.root / "pieces").mkdir()
    (small.root / "pieces" / "kbis.pdf").write_bytes(b"x")
    code, out, _ = memoire(monkeypatch, capsys, "pack", str(small.root))
    assert code == 0
    assert "Kbis.pdf" in out


# --- real tenders ------------------------------------------------------------------------------------------


def real(shared: Path, tmp_path: Path, *files: str) -> Pack:
    root = shared / "dce"
    made, _ = create(tmp_path / "d", [root / file for file in files], [])
    run.read_dossier(made)
    (made.root / "pieces").mkdir()
    for name in ("DC1.odt", "kbis.odt", "memoire.odt", "AE.odt", "BPU_v2.ods", "L6-pca.odt", "references.odt"):
        (made.root / "pieces" / name).write_bytes(name.encode())
    return run.pack_dossier(made, None, [], Bidder("Ostréane Services"), SETTINGS).pack


@pytest.mark.shared
def test_a_limit_and_a_pattern_for_applications_alone_are_kept_to(shared: Path, tmp_path: Path) -> None:
    found = real(shared, tmp_path, "caih/rc.pdf")
    rule = found.rule
    assert rule.max_chars == 29
    assert [pattern.scope for pattern in rule.patterns] == ["candidature"]
    assert all(len(file.name) <= 29 for file in found.files)
    by_source = {Path(file.source).name: file.name for file in found.files}
    prefix = "_".join(rule.patterns[0].parts[:3])
    assert by_source["DC1.odt"] == f"{prefix}_DC1_Ostreane.odt"
    assert by_source["kbis.odt"].startswith(f"{prefix}_Kbis_")
    assert by_source["L6-pca.odt"] == "L6_PCA.odt"
    assert by_source["memoire.odt"] == "L3_Memoire.odt"
    assert {place.page for place in rule.places} == {8, 9}


@pytest.mark.shared
def test_formats_are_read_and_no_pattern_is_made_up(shared: Path, tmp_path: Path) -> None:
    found = real(shared, tmp_path, "vsgp")
    assert found.rule.patterns == ()
    assert found.rule.max_chars is None
    assert {"pdf", "doc", "xls"} <= set(found.rule.formats)
    assert "zip" not in found.rule.formats
    status = [piece.status for piece in found.pieces]
    assert status.count("present") == 4
    assert any("ods" in line and "non admis" in line for line in found.remarks)
    assert any("Pièces" in line for _, line in lines(found))

"""The buyer's own frames: places found, filled with what the dossier proves, and every other byte kept."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.document import Document as WordDocument
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.styles import PatternFill, Protection
from openpyxl.worksheet.datavalidation import DataValidation

from pipeline import run
from pipeline.errors import DocumentError
from pipeline.frames import Answers, fill, find_places, identity_of, words
from pipeline.frames.answers import identity_field, same
from pipeline.frames.package import Edit, escaped, parse, splice
from pipeline.records import (
    Compliance,
    FramePlace,
    FrameReport,
    Memoire,
    Paragraph,
    PlanNode,
    Point,
    Requirement,
    Section,
    SectionBrief,
    Sentence,
)
from pipeline.workspace import create
from tests.test_cli import memoire

STAND_BY_ASKED = "Le titulaire doit tenir une astreinte 24 heures sur 24."
STAND_BY = "Nous tenons une astreinte de 8 exploitants, 24 heures sur 24 & 7 jours sur 7."
BACKUP = "Nous sauvegardons les données chaque nuit sur un second site."
TEAM = "Notre équipe projet compte 6 personnes."
NOTHING = Answers(Memoire(title="", buyer=None, reference=None, plan=(), sections=()))


def requirement(name: str, text: str) -> Requirement:
    return Requirement(id=name, text=text, mandatory=True, document="cctp.docx")


def sentence(text: str) -> Sentence:
    return Sentence(text=text, passages=("p1",), claim="commitment")


@pytest.fixture
def answers() -> Answers:
    plan = (
        PlanNode(number="4", title="Exploitation", level=1),
        PlanNode(number="4.2", title="Astreintes et sauvegardes", level=2),
        PlanNode(number="4.3", title="Moyens humains", level=2),
    )
    brief = SectionBrief(
        number="4.3", title="Moyens humains", level=2, chapter="Exploitation",
        points=(Point(text="Composition de l'équipe"), Point(text="Formation")),
    )  # fmt: skip
    section = Section(
        number="4.3", title="Moyens humains", brief=brief, passages=(), model="m", model_sha256="", prompt_sha256="",
        inputs_sha256="", seconds=0, tokens=0,
        paragraphs=(
            Paragraph(id="4.3-1", point=0, sentences=(sentence(TEAM), sentence("Elle travaille à Port-Avelin."))),
            Paragraph(id="4.3-2", point=1, sentences=(sentence("Chaque personne suit 3 jours de formation par an."),)),
            Paragraph(id="4.3-3", point=None, gap="[À COMPLÉTER : les CV]"),
        ),
    )  # fmt: skip
    rows = (
        Compliance(
            requirement=requirement("EX-012", "Le titulaire doit tenir une astreinte 24 heures sur 24."),
            section="4.2", answer=sentence(STAND_BY), conformity="yes",
        ),
        Compliance(
            requirement=requirement("EX-013", "Les données doivent être sauvegardées chaque nuit."),
            section="4.2", answer=sentence(BACKUP), conformity="confirm",
        ),
        Compliance(requirement=requirement("EX-014", "La solution doit être accessible."), section="4.2"),
    )  # fmt: skip
    memoire = Memoire(title="", buyer=None, reference=None, plan=plan, sections=(section,), compliance=rows)
    return Answers(
        memoire, {"raison_sociale": "Ostréane", "siret": "12345678200017", "courriel": "offre@ostreane.test"}
    )


# --- frames made here --------------------------------------------------------------------------------------


def saved(document: WordDocument) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def word_frame() -> bytes:
    """A cadre de réponse with the ways buyers leave places."""
    document = docx.Document()
    document.add_heading("1. Identification du candidat", 1)
    document.add_paragraph("Raison sociale : ………………………………")
    document.add_paragraph("SIRET :\t")
    document.add_paragraph("Adresse électronique : ________________ Téléphone : ________________")
    document.add_paragraph("IBAN : ..........................")
    document.add_heading("2. Exigences", 1)
    table = document.add_table(rows=5, cols=5)
    rows = [
        ("N°", "Exigence", "Réponse du candidat", "Conforme (O/N/P)", "Référence dans le mémoire technique"),
        ("EX-012", "Le titulaire doit tenir une astreinte 24 heures sur 24.", "", "", ""),
        ("EX 13", "Les données doivent être sauvegardées chaque nuit.", "À compléter par le candidat", "", ""),
        ("EX-014", "La solution doit être accessible.", "", "", ""),
        ("EX-099", "La solution doit voler.", "", "", ""),
    ]
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    document.add_paragraph("Le titulaire doit tenir une astreinte 24 heures sur 24.")
    document.add_paragraph("Réponse du candidat :")
    document.add_paragraph("")
    document.add_paragraph("Les données doivent être sauvegardées chaque nuit.")
    document.add_paragraph("☐ Oui ☐ Non")
    document.add_paragraph("EX-012 Le titulaire doit tenir une astreinte 24 heures sur 24. ☐ Conforme ☐ Non conforme")
    document.add_heading("4.3 Moyens humains", 2)
    document.add_paragraph("Le candidat décrira ses moyens humains.")
    document.add_paragraph("")
    document.add_paragraph("")
    document.add_heading("5. Prix et signature", 1)
    document.add_paragraph("Montant HT : ........................ €")
    document.add_paragraph("Fait à ……………………, le ……………………")
    document.add_paragraph("Signature et cachet du candidat :")
    document.add_paragraph("")
    body = document.element.body
    for xml in (
        # a content control that shows its prompt, and a form field
        "<w:p {ns}><w:r><w:t xml:space='preserve'>SIRET : </w:t></w:r><w:sdt><w:sdtPr><w:showingPlcHdr/><w:text/>"
        "</w:sdtPr><w:sdtContent><w:r><w:rPr><w:rStyle w:val='PlaceholderText'/></w:rPr>"
        "<w:t>Cliquez ici pour entrer du texte.</w:t></w:r></w:sdtContent></w:sdt></w:p>",
        "<w:p {ns}><w:r><w:t xml:space='preserve'>Raison sociale : </w:t></w:r><w:r><w:fldChar w:fldCharType='begin'>"
        "<w:ffData><w:name w:val='T1'/><w:enabled/><w:textInput/></w:ffData></w:fldChar></w:r>"
        "<w:r><w:instrText> FORMTEXT </w:instrText></w:r><w:r><w:fldChar w:fldCharType='separate'/></w:r>"
        "<w:r><w:t>\u2002\u2002\u2002\u2002\u2002</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r></w:p>",
    ):
        body.insert(1, parse_xml(xml.replace("{ns}", nsdecls("w"))))
    return saved(document)


def sheet_frame(protect: bool = True) -> bytes:
    """A compliance matrix: a title, a header of two rows with merges, a list, a formula, a protection, a price."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Matrice"
    sheet["A1"] = "Matrice de conformité"
    sheet.merge_cells("A1:H1")
    sheet["A3"], sheet["B3"], sheet["C3"] = "N°", "Exigence", "Réponse du soumissionnaire"
    sheet["G3"], sheet["H3"] = "Pondération", "Prix € HT"
    sheet.merge_cells("C3:F3")
    for reference in ("A3:A4", "B3:B4", "G3:G4", "H3:H4"):
        sheet.merge_cells(reference)
    sheet["C4"], sheet["D4"], sheet["E4"] = "Réponse", "Conformité", "Référence mémoire"
    sheet["F4"] = "Commentaire"
    rows = [
        ("EX-012", "Le titulaire doit tenir une astreinte 24 heures sur 24.", 3),
        ("EX-013", "Les données doivent être sauvegardées chaque nuit.", 2),
        (None, "Accessibilité", None),
        ("EX-014", "La solution doit être accessible.", 1),
    ]
    for at, (name, text, weight) in enumerate(rows, start=5):
        sheet.cell(at, 1, name)
        sheet.cell(at, 2, text)
        sheet.cell(at, 7, weight)
        for column in range(3, 9):
            cell = sheet.cell(at, column)
            cell.fill = PatternFill("solid", fgColor="FFFFFF00")
            cell.protection = Protection(locked=column == 6)
    sheet["H6"] = "=G6*100"
    sheet["G10"] = "=SUM(G5:G8)"
    listed = DataValidation(type="list", formula1="Listes!$A$1:$A$3")
    listed.add("D5:D8")
    sheet.add_data_validation(listed)
    sheet.protection.sheet = protect
    values = book.create_sheet("Listes")
    for at, value in enumerate(("Conforme", "Partiel", "Non conforme"), start=1):
        values.cell(at, 1, value)
    values.sheet_state = "hidden"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return {item.filename: package.read(item) for item in package.infolist()}


def by_place(report: FrameReport) -> dict[str, str]:
    return {item.place.where: item.text for item in report.filled}


TAG = re.compile(rb"<[^>]*>")


def assert_only_answers_changed(before: bytes, after: bytes, report: FrameReport) -> None:
    """Same members in the same order; in a changed part, what differs is made of tags and of the answers' words."""
    old, new = members(before), members(after)
    assert list(old) == list(new)
    changed = [name for name in old if old[name] != new[name]]
    assert bool(changed) == bool(report.filled)
    assert all(re.fullmatch(r"word/document\.xml|xl/worksheets/sheet\d+\.xml", name) for name in changed)
    said = " ".join(" ".join(item.text.split()) for item in report.filled)
    for name in changed:
        for cut, put in differences(old[name], new[name]):
            come = TAG.sub(b" ", put).decode().replace("&amp;", "&").split()
            assert " ".join(come) in said or come in (["☒"], []), "only words of the answers come"
            gone = re.sub(r"[.…_\s\u2002☐]", "", TAG.sub(b"", cut).decode())
            assert gone in "Àcompléterparlecandidat Cliquezicipourentrerdutexte", "only what marks a place goes"


def differences(old: bytes, new: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(bytes gone, bytes come) in tags and words."""
    split = re.compile(rb"<[^>]*>|[^<\s]+|\s")
    first, second = split.findall(old), split.findall(new)
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind != "equal":
            yield b"".join(first[a:b]), b"".join(second[c:d])


# --- Word --------------------------------------------------------------------------------------------------


def test_a_word_frame_is_filled_where_the_dossier_answers(answers: Answers) -> None:
    done = fill(word_frame(), "cadre.docx", answers)
    filled = by_place(done.report)
    column = "tableau 1, ligne {}, colonne «\u00a0{}\u00a0»"
    assert filled[column.format(2, "Réponse du candidat")] == STAND_BY
    assert filled[column.format(3, "Réponse du candidat")] == BACKUP
    assert filled[column.format(2, "Conforme (O/N/P)")] == "O"
    assert filled[column.format(2, "Référence dans le mémoire technique")] == "Mémoire technique, section 4.2"
    assert column.format(3, "Conforme (O/N/P)") not in filled, "to be confirmed by a person"
    text = "\n".join(p.text for p in docx.Document(io.BytesIO(done.data)).paragraphs)
    assert "Raison sociale : Ostréane" in text
    assert "Adresse électronique : offre@ostreane.test Téléphone : ____" in text
    assert f"Réponse du candidat :\n{STAND_BY}\n" in text
    assert f"Le candidat décrira ses moyens humains.\n{TEAM} Elle travaille à Port-Avelin.\nChaque personne" in text
    assert "☒ Conforme ☐ Non conforme" in text
    assert "☐ Oui ☐ Non" in text, "a yes that is not proven is never ticked"


def test_the_report_says_source_and_likeness(answers: Answers) -> None:
    report = fill(word_frame(), "cadre.docx", answers).report
    known = {item.place.label: item for item in report.filled if item.place.kind == "text"}
    assert known["4.3 Moyens humains"].source == "Mémoire technique, section 4.3 ; 1 point reste à compléter"
    by_number = next(item for item in report.filled if item.place.reference == "EX 13")
    assert by_number.score == 100
    assert by_number.source == "EX-013, Mémoire technique, section 4.2"
    reasons = {item.place.label: item.reason for item in report.left}
    assert "Ni une exigence ni une section" in reasons["La solution doit voler."]
    assert "n'y répond pas encore" in reasons["La solution doit être accessible."]


def test_content_controls_and_form_fields_are_filled(answers: Answers) -> None:
    done = fill(word_frame(), "cadre.docx", answers)
    xml = members(done.data)["word/document.xml"].decode()
    assert "showingPlcHdr" not in xml
    assert "PlaceholderText" not in xml
    assert re.search(r"<w:sdtContent><w:r>.*?<w:t>12345678200017</w:t></w:r></w:sdtContent>", xml, re.DOTALL)
    assert re.search(r'fldCharType="separate"/></w:r>\s*<w:r>\s*<w:t>Ostréane</w:t>', xml)


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("IBAN", "bank"),
        ("Montant HT", "price"),
        ("Signature et cachet du candidat", "signature"),
        ("Fait à", "signature"),
    ],
)
def test_only_a_person_fills_these(label: str, kind: str, answers: Answers) -> None:
    left = {item.place.label: item for item in fill(word_frame(), "cadre.docx", answers).report.left}
    assert left[label].place.kind == kind
    assert "par une personne" in left[label].reason


def test_nothing_but_the_answers_changes_in_a_word_frame(answers: Answers) -> None:
    before = word_frame()
    done = fill(before, "cadre.docx", answers)
    assert len(done.report.filled) >= 13
    assert_only_answers_changed(before, done.data, done.report)


def test_a_second_filling_finds_the_same_places_and_changes_nothing(answers: Answers) -> None:
    for make, name in ((word_frame, "cadre.docx"), (sheet_frame, "matrice.xlsx")):
        data = make()
        done = fill(data, name, answers)
        again = fill(done.data, name, answers)
        assert find_places(data, name) == find_places(data, name)
        vacant = [place for place in find_places(data, name) if place.empty]
        left = [place for place in find_places(done.data, name) if place.empty]
        assert len(left) == len(vacant) - len(done.report.filled)
        assert not again.report.filled
        assert again.data == done.data


def made_of(*lines: str | list[tuple[str, ...]]) -> bytes:
    """A Word frame: « # title », paragraphs, tables."""
    document = docx.Document()
    for line in lines:
        if isinstance(line, str):
            document.add_heading(line[2:], 1) if line.startswith("# ") else document.add_paragraph(line)
            continue
        table = document.add_table(len(line), len(line[0]))
        for row, texts in zip(table.rows, line, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    return saved(document)


@pytest.mark.parametrize(
    "frame",
    [
        made_of(STAND_BY_ASKED, "Réponse du candidat : ………………………", "………………………"),
        made_of("# " + STAND_BY_ASKED.rstrip("."), "À compléter par le candidat"),
        made_of("# " + STAND_BY_ASKED.rstrip("."), [("",)]),
        made_of([("Thème", "Exigence", "Réponse"), ("Exploitation", STAND_BY_ASKED, "")]),
        made_of([("Question", "Réponse du candidat"), (STAND_BY_ASKED, "Réponse :")]),
        made_of([(STAND_BY_ASKED, "")]),
        made_of("EX-012 – " + STAND_BY_ASKED + " (réponse à préciser) :", ""),
    ],
)
def test_the_ways_buyers_leave_a_place(frame: bytes, answers: Answers) -> None:
    done = fill(frame, "cadre.docx", answers)
    assert [item.text for item in done.report.filled] == [STAND_BY]
    assert_only_answers_changed(frame, done.data, done.report)


def test_the_identity_of_the_candidate_is_not_given_for_another(answers: Answers) -> None:
    document = docx.Document()
    document.add_heading("Déclaration de sous-traitance", 1)
    document.add_paragraph("Raison sociale : ……………………")
    document.add_heading("Identification du soumissionnaire", 1)
    document.add_paragraph("Raison sociale : ……………………")
    report = fill(saved(document), "dc4.docx", answers).report
    assert [item.place.where for item in report.filled] == ["sous «\u00a0Identification du soumissionnaire\u00a0»"]
    assert "Concerne un autre" in report.left[0].reason


def test_several_dotted_lines_are_one_place(answers: Answers) -> None:
    document = docx.Document()
    document.add_paragraph("Raison sociale du candidat :")
    for _ in range(3):
        document.add_paragraph("……………………………………")
    done = fill(saved(document), "ae.docx", answers)
    assert [item.text for item in done.report.filled] == ["Ostréane"]
    assert not done.report.left
    assert [p.text for p in docx.Document(io.BytesIO(done.data)).paragraphs][1:] == ["Ostréane", "", ""]


def test_a_table_of_contents_or_an_ellipsis_is_no_place() -> None:
    document = docx.Document()
    document.add_paragraph("1. Présentation .................... 4")
    document.add_paragraph("Le candidat fournit des CV, des attestations, etc... et une note […] courte…")
    with pytest.raises(DocumentError, match="Aucune place"):
        fill(saved(document), "rc.docx", NOTHING)


def test_a_protected_word_form_takes_answers_in_its_fields_only(answers: Answers) -> None:
    document = docx.Document(io.BytesIO(word_frame()))
    document.settings.element.append(
        parse_xml(f'<w:documentProtection {nsdecls("w")} w:edit="forms" w:enforcement="1"/>')
    )
    report = fill(saved(document), "cadre.docx", answers).report
    assert {item.text for item in report.filled} == {"Ostréane", "12345678200017"}
    assert any("Document protégé" in item.reason for item in report.left)


# --- Excel -------------------------------------------------------------------------------------------------


def test_a_matrix_is_filled_in_its_own_vocabulary(answers: Answers) -> None:
    done = fill(sheet_frame(), "matrice.xlsx", answers)
    sheet = openpyxl.load_workbook(io.BytesIO(done.data))["Matrice"]
    assert [sheet[name].value for name in ("C5", "D5", "E5")] == [
        STAND_BY,
        "Conforme",
        "Mémoire technique, section 4.2",
    ]
    assert [sheet[name].value for name in ("C6", "D6", "E6")] == [BACKUP, None, "Mémoire technique, section 4.2"]
    assert [sheet[name].value for name in ("C7", "C8", "F5", "H5", "H8")] == [None] * 5
    reasons = {item.place.where.split(",")[1].strip(): item.reason for item in done.report.left}
    assert "conformité à confirmer" in reasons["cellule D6"]
    assert "verrouillée" in reasons["cellule F5"]
    assert "Prix" in reasons["cellule H5"]
    assert "cellule H6" not in reasons, "a formula is no place"
    assert "cellule C7" not in reasons, "a title between the rows is no requirement"


def test_formulas_protection_lists_and_styles_stay(answers: Answers) -> None:
    before = sheet_frame()
    done = fill(before, "matrice.xlsx", answers)
    assert_only_answers_changed(before, done.data, done.report)
    old, new = (openpyxl.load_workbook(io.BytesIO(data))["Matrice"] for data in (before, done.data))
    assert new["H6"].value == "=G6*100"
    assert new["G10"].value == "=SUM(G5:G8)"
    assert new.protection.sheet
    assert new.data_validations.dataValidation[0].formula1 == "Listes!$A$1:$A$3"
    assert new.merged_cells.ranges == old.merged_cells.ranges
    for row in old.iter_rows():
        for cell in row:
            assert new[cell.coordinate]._style == cell._style
    filled = {re.search(r"cellule (\w+)", item.place.where)[1] for item in done.report.filled}  # type: ignore[index]
    cell = re.compile(rb'<c r="(\w+)".*?(?:/>|</c>)', re.DOTALL)
    old_xml, new_xml = (members(data)["xl/worksheets/sheet1.xml"] for data in (before, done.data))
    kept = [m[0] for m in cell.finditer(old_xml) if m[1].decode() not in filled]
    assert kept == [m[0] for m in cell.finditer(new_xml) if m[1].decode() not in filled]


def test_a_locked_cell_of_a_protected_sheet_is_not_written(answers: Answers) -> None:
    book = openpyxl.load_workbook(io.BytesIO(sheet_frame()))
    book["Matrice"]["C5"].protection = Protection(locked=True)
    stream = io.BytesIO()
    book.save(stream)
    done = fill(stream.getvalue(), "matrice.xlsx", answers)
    assert openpyxl.load_workbook(io.BytesIO(done.data))["Matrice"]["C5"].value is None
    book["Matrice"].protection.sheet = False
    book.save(stream := io.BytesIO())
    done = fill(stream.getvalue(), "matrice.xlsx", answers)
    assert openpyxl.load_workbook(io.BytesIO(done.data))["Matrice"]["C5"].value == STAND_BY


def test_a_cell_that_the_file_does_not_write_is_made_with_its_column_style(answers: Answers) -> None:
    data = sheet_frame(protect=False)
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        content = {item: package.read(item) for item in package.infolist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as package:
        for item, held in content.items():
            cut = re.sub(rb'<c r="C5"[^>]*/>', b"", held) if item.filename.endswith("sheet1.xml") else held
            package.writestr(item, cut)
    done = fill(stream.getvalue(), "matrice.xlsx", answers)
    xml = members(done.data)["xl/worksheets/sheet1.xml"].decode()
    assert re.search(r'<c r="B5".*?</c><c r="C5" s="\d+" t="inlineStr">.*?</c><c r="D5"', xml, re.DOTALL)


def test_a_value_outside_the_buyers_list_is_left_to_a_person(answers: Answers) -> None:
    book = openpyxl.load_workbook(io.BytesIO(sheet_frame(protect=False)))
    rule = DataValidation(type="list", formula1='"Standard,Spécifique"')
    rule.add("C5")
    book["Matrice"].add_data_validation(rule)
    book.save(stream := io.BytesIO())
    report = fill(stream.getvalue(), "matrice.xlsx", answers).report
    assert any("Liste imposée (Standard, Spécifique)" in item.reason for item in report.left)


def test_a_requirement_under_the_same_number_but_other_words_is_not_answered(answers: Answers) -> None:
    book = openpyxl.load_workbook(io.BytesIO(sheet_frame(protect=False)))
    book["Matrice"]["B5"] = "Fournir un organigramme nominatif des intervenants et leurs certifications"
    book.save(stream := io.BytesIO())
    report = fill(stream.getvalue(), "matrice.xlsx", answers).report
    assert all(item.place.reference != "EX-012" for item in report.filled)
    assert any("pas le même énoncé" in item.reason for item in report.left)


# --- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("N°", "id"), ("Exigence", "question"), ("Réponse du soumissionnaire", "text"), ("Conforme", "conformity"),
        ("Commentaire", "comment"), ("Référence mémoire", "section"), ("Prix unitaire € HT", "price"),
        ("Réservé à l'administration", "buyer"), ("Quantité", "buyer"), ("Délai", None), ("Date de remise", None),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_titles(header: str, role: str | None) -> None:
    assert words.role(header) == role


@pytest.mark.parametrize(
    ("header", "yes"),
    [
        ("Conforme (O/N/P)", "O"), ("Oui / Non", "Oui"), ("C/NC/P", "C"), ("Conforme / Partiel / NC", "Conforme"),
        ("Conforme O/N/P", "O"), ("Conformité", None),
        ("Couverture (Standard/Spécifique)", None), ("Prise en compte (oui, non)", "oui"),
    ],
)  # fmt: skip
def test_the_word_for_conform_is_the_frames_own(header: str, yes: str | None) -> None:
    assert words.yes(words.options(header)) == yes


def test_likeness_alone_is_not_the_same_requirement() -> None:
    first = "La brique doit être obligatoirement interopérable avec OIDC."
    assert same(first, "La brique doit être interopérable avec OIDC") > 75
    assert same(first, "La brique doit être obligatoirement interopérable avec SAML.") == 0
    assert same("Rétablir en 4 heures.", "Rétablir en 8 heures.") == 0
    assert same("Les données sortent du pays.", "Les données ne sortent pas du pays.") == 0


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("SIRET", "siret"),
        ("N° SIRET :", "siret"),
        ("Nom commercial et dénomination sociale du candidat (3)", "raison_sociale"),
        ("Adresse électronique", "courriel"),
        ("Adresse e-mail", "courriel"),
        ("Adresse du siège social (si différente de l'établissement)", "adresse_siege"),
        ("Numéro de TVA intracommunautaire", "tva"),
        ("Code APE / NAF", "ape"),
        ("Raison sociale, adresse et SIRET", ""),
        ("Le support répond par téléphone", ""),
        ("Les agents doivent pouvoir signaler un incident par téléphone ou par courriel.", ""),
    ],
)
def test_a_label_names_one_field_of_the_firm(label: str, name: str) -> None:
    assert identity_field(label) == name


def test_a_requirement_about_signatures_is_not_a_signature() -> None:
    said = "La solution doit permettre aux agents de vérifier une signature électronique apposée sur un document."
    assert words.for_a_person(said) is None
    assert words.for_a_person("Date et signature du candidat") is not None


def test_the_identity_of_the_firm_is_one_record() -> None:
    firm = {"raison_sociale": "Ostréane", "siret": 12345678200017, "rcs": None}
    assert identity_of([{"moyen": "x"}, firm]) == {"raison_sociale": "Ostréane", "siret": "12345678200017"}
    assert identity_of([firm, {"raison_sociale": "Autre"}]) == {}


# --- properties --------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.binary(max_size=4)), max_size=5))
def test_splicing_keeps_every_byte_outside_the_edits(cuts: list[tuple[int, int, bytes]]) -> None:
    data = bytes(range(46))
    edits: list[Edit] = []
    at = 0
    for gap, size, new in cuts:
        start = min(at + gap + 1, len(data))
        edits.append(Edit(start, min(start + size, len(data)), new))
        at = edits[-1].end
    made = splice(data, edits)
    assert len(made) == len(data) + sum(len(e.new) - (e.end - e.start) for e in edits)
    assert made[: edits[0].start if edits else None] == data[: edits[0].start if edits else None]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_can_be_written_and_read_back(text: str) -> None:
    node = parse(b"<a>" + escaped(text) + b"</a>", "a.xml")
    legal = "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )
    assert node.text == legal.replace("\r\n", "\n").replace("\r", "\n")


@settings(deadline=None)  # making a Word file takes 0.1 s
@given(
    st.lists(st.sampled_from(["Réponse :", "", "Prix : ……", "☐ Oui ☐ Non", "1. Moyens", "Texte.", "\t"]), max_size=12)
)
def test_filling_with_nothing_changes_nothing(lines: list[str]) -> None:
    document = docx.Document()
    for line in lines:
        document.add_paragraph(line)
    data = saved(document)
    if find_places(data, "cadre.docx"):
        assert fill(data, "cadre.docx", NOTHING).data == data


# --- what real buyers publish ------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize(("name", "prices"), [("BPU.xlsx", 93), ("DPGF.xlsx", 49)])
def test_every_price_of_a_real_frame_is_left_to_a_person(
    shared: Path, name: str, prices: int, answers: Answers
) -> None:
    data = (shared / "dce" / "vsgp" / name).read_bytes()
    done = fill(data, name, answers)
    assert [item.place.kind for item in done.report.left] == ["price"] * prices, "the blue cells, counted by hand"
    assert done.data == data


@pytest.mark.shared
def test_a_real_acte_d_engagement_takes_the_firms_identity_once(shared: Path, answers: Answers) -> None:
    data = (shared / "dce" / "vsgp" / "AE.docx").read_bytes()
    done = fill(data, "AE.docx", answers)
    assert [(item.place.label, item.text) for item in done.report.filled] == [
        ("Nom commercial et dénomination sociale du candidat (3)", "Ostréane"),
        ("Adresse électronique", "offre@ostreane.test"),
        ("SIRET", "12345678200017"),
    ]
    assert_only_answers_changed(data, done.data, done.report)
    assert "Nom commercial et dénomination sociale du candidat (3)\xa0:\nOstréane\n" in "\n".join(
        p.text for p in docx.Document(io.BytesIO(done.data)).paragraphs
    )
    kinds = [item.place.kind for item in done.report.left]
    assert kinds.count("bank") == 7
    assert kinds.count("price") == 48


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is absent")
def test_a_filled_frame_opens_in_libreoffice(tmp_path: Path, answers: Answers) -> None:
    frame = tmp_path / "cadre.docx"
    frame.write_bytes(fill(word_frame(), frame.name, answers).data)
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", "txt:Text (encoded):UTF8", "--outdir", str(tmp_path)]
    subprocess.run([*command, str(frame)], check=True, capture_output=True, timeout=120)
    assert (tmp_path / "cadre.txt").read_text(encoding="utf-8").count(STAND_BY) == 2


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "ancien"),
        (b"PK\x03\x04 cut", "illisible"),
        (b"", "illisible"),
    ],
)
def test_what_is_no_frame_gets_one_clear_line(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        fill(data, "cadre.docx", NOTHING)


def test_a_damaged_part_gets_one_clear_line() -> None:
    for wrong in (
        b"<w:document",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
        b"<?xml version='1.0' encoding='UTF-16'?>",
    ):
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(word_frame())) as package, zipfile.ZipFile(stream, "w") as made:
            for item in package.infolist():
                made.writestr(item, wrong if item.filename == "word/document.xml" else package.read(item))
        with pytest.raises(DocumentError):
            fill(stream.getvalue(), "cadre.docx", NOTHING)


# --- a dossier ---------------------------------------------------------------------------------------------


def test_a_dossier_fills_copies_and_goes_on_past_a_bad_frame(tmp_path: Path) -> None:
    dce, library = tmp_path / "dce", tmp_path / "bibliotheque"
    dce.mkdir()
    library.mkdir()
    (dce / "cadre-de-reponse.docx").write_bytes(word_frame())
    (dce / "rc.txt").write_text("Règlement de la consultation\n\nObjet : un socle.\n", encoding="utf-8")
    (library / "identite.yaml").write_text("- raison_sociale: Ostréane\n  siret: '12345678200017'\n", encoding="utf-8")
    dossier, _ = create(tmp_path / "dossier", [dce], [library])
    run.read_dossier(dossier)
    frames = run.frames_of(dossier)
    assert [path.name for path in frames] == ["cadre-de-reponse.docx"]
    old = tmp_path / "ancien.doc"
    old.write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 600)
    bad, good = run.fill_frames(dossier, [old, *frames], None)
    assert "ancien" in bad.refused
    assert bad.written is None
    assert {item.text for item in good.filled} == {"Ostréane", "12345678200017"}
    assert frames[0].read_bytes() == word_frame_in(dossier.dce)
    assert (dossier.export / "cadres" / "cadre-de-reponse.docx").is_file()
    assert dossier.journal()[-1]["filled"] == {"cadre-de-reponse.docx": len(good.filled)}


def word_frame_in(folder: Path) -> bytes:
    """The original, as the export must have left it: it still has all its places."""
    data = (folder / "cadre-de-reponse.docx").read_bytes()
    assert len(find_places(data, "cadre.docx")) == len(find_places(word_frame(), "cadre.docx"))
    return data


def test_a_place_says_where_it_is() -> None:
    places: tuple[FramePlace, ...] = find_places(sheet_frame(), "matrice.xlsx")
    assert places[0].where == "feuille «\u00a0Matrice\u00a0», cellule C5, colonne «\u00a0Réponse\u00a0»"
    assert len({place.id for place in places}) == len(places)


def test_the_command_tells_in_french_and_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dce = tmp_path / "dce"
    dce.mkdir()
    (dce / "rc.txt").write_text("Règlement de la consultation\n\nObjet : un socle.\n", encoding="utf-8")
    dossier, _ = create(tmp_path / "dossier", [dce], [])
    run.read_dossier(dossier)
    matrix, empty = tmp_path / "matrice.xlsx", tmp_path / "note.docx"
    matrix.write_bytes(sheet_frame())
    empty.write_bytes(made_of("Rien à remplir dans cette note."))
    root = str(dossier.root)
    code, out, err = memoire(monkeypatch, capsys, "frames", root, str(matrix))
    assert (code, err) == (0, "")
    assert "14 places de réponse : 0 remplies, 14 à remplir par une personne, 0 non comprises." in out
    code, out, err = memoire(monkeypatch, capsys, "frames", root, str(matrix), str(empty), "--format", "json")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "Aucune place de réponse" in err
    written = json.loads(out)["frames"]
    assert [report["frame"] for report in written] == ["matrice.xlsx", "note.docx"]
    assert not (dossier.export / "cadres" / "note.docx").exists()
    code, out, err = memoire(monkeypatch, capsys, "frames", root)
    assert (code, out) == (2, "")
    assert "Aucun cadre à remplir" in err
    code, out, err = memoire(monkeypatch, capsys, "frames", root, str(matrix), "-o", str(tmp_path))
    assert (code, out) == (2, "")
    assert "écrasés" in err
    assert matrix.read_bytes() == (tmp_path / "matrice.xlsx").read_bytes()

"""Tables of firm facts and sheets: the right ones in the right sections, nothing expired, nobody confidential."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import docx
import pytest
from docx.oxml.ns import qn

from pipeline.export import cells, columns, sources
from pipeline.export.text import to_html, to_markdown
from pipeline.export.word import to_docx
from pipeline.outline import outline
from pipeline.records import Memoire, Paragraph, Passage, PlanNode, Section, Sentence, Tender
from pipeline.tables import Catalogue, asked_tables, evidence_tables, read_catalogue, section_tables
from tests.conftest import CORPUS

TODAY = dt.date(2026, 11, 22)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue([CORPUS / "library"], TODAY, 700)


def section(title: str, said: str = "", expected: str | None = None, evidence: str | None = None) -> Section:
    node = PlanNode(number="1.3", title=title, level=1, points=("Un point",), expected=expected, evidence=evidence)
    proof = Passage(id="p", kind="firm", document="a", page=1, article=None, text=said or "Rien.")
    sentences = (Sentence(text=said or "Rien.", passages=("p",), claim="fact"),)
    return Section(
        number="1.3",
        title=title,
        brief=outline([node])[0],
        paragraphs=(Paragraph(id="1.3-1", point=0, sentences=sentences),),
        passages=(proof,),
        model="m",
        model_sha256="0" * 64,
        prompt_sha256="0" * 64,
        inputs_sha256="0" * 64,
        seconds=0,
        tokens=0,
    )


def memoire(one: Section, catalogue: Catalogue) -> Memoire:
    node = PlanNode(number="1.3", title=one.title, level=1, points=("Un point",))
    tables = section_tables([one], catalogue, Tender())
    return Memoire(title="Essai", buyer=None, reference=None, plan=(node,), sections=(one,), tables=tables)


@pytest.mark.parametrize(
    ("title", "expected", "evidence", "kinds"),
    [
        ("Logiciels", "un tableau des composants avec la version et la licence", None, ["components"]),
        ("CHOIX OPEN SOURCE", None, "tableaux de composants + licences", ["components"]),
        ("Sécurité", None, "les certificats et qualifications avec leur numéro", ["certificates"]),
        ("Support", "un tableau des délais par gravité d’incident et les effectifs", None, ["service_levels", "teams"]),
        ("Enjeux", "une lecture propre au candidat", None, []),
    ],
)
def test_what_the_buyer_asks_decides(title: str, expected: str, evidence: str, kinds: list[str]) -> None:
    assert asked_tables(section(title, expected=expected, evidence=evidence)) == kinds


def test_measures_are_no_evidence_of_ours() -> None:
    assert evidence_tables(section("Support", evidence="les délais mesurés sur un marché de support").brief) == []
    assert evidence_tables(section("Sécurité", evidence="les certificats avec leur numéro").brief) == ["certificates"]


def test_components_are_those_the_document_names(catalogue: Catalogue) -> None:
    one = section("Choix open source", "Keycloak et PostgreSQL sont en service.")
    (table,) = section_tables([one], catalogue, Tender())
    assert [row.cells[0] for row in table.rows] == ["Keycloak", "PostgreSQL"]
    assert table.rows[0].cells[2] == "Apache-2.0"
    assert all(row.source and row.source.kind == "component" for row in table.rows)


def test_the_same_rows_are_printed_once_where_they_are_asked_for(catalogue: Catalogue) -> None:
    vague = section("Choix open source", "Keycloak est en service.").model_copy(update={"number": "1.2"})
    asked = section("Logiciels", expected="un tableau des composants avec la licence")
    (table,) = section_tables([vague, asked], catalogue, Tender())
    assert table.section == "1.3"


def test_service_levels_are_those_of_the_section(catalogue: Catalogue) -> None:
    one = section("Continuité et reprise d’activité", expected="les objectifs RTO et les SLA")
    (table,) = section_tables([one], catalogue, Tender())
    assert {row.cells[0] for row in table.rows} == {"Continuité des services critiques"}


def test_an_expired_certificate_is_in_no_table(catalogue: Catalogue) -> None:
    (table,) = section_tables([section("Certificats")], catalogue, Tender())
    names = " ".join(row.cells[0] for row in table.rows)
    assert "27001" in names
    assert "9001" not in names


def test_a_confidential_client_is_in_no_table(catalogue: Catalogue) -> None:
    made = memoire(section("Références comparables"), catalogue)
    (table,) = made.tables
    assert len(table.rows) >= 3
    assert "Corvane" not in made.model_dump_json()
    assert any("organisme de protection sociale" in row.cells[0] for row in table.rows)


def test_tables_are_printed_with_their_sources(catalogue: Catalogue, tmp_path: Path) -> None:
    made = memoire(section("Choix open source", "Keycloak est en service."), catalogue)
    numbered = sources(made)
    assert columns(made.tables[0])[-1] == "Source"
    assert cells(made.tables[0], made.tables[0].rows[0], numbered)[-1] == "[2]"
    document = docx.Document(io.BytesIO(to_docx(made)))
    (table,) = document.tables
    assert [cell.text for cell in table.rows[0].cells] == list(columns(made.tables[0]))
    assert table.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None
    assert all(row._tr.trPr.find(qn("w:cantSplit")) is not None for row in table.rows)
    assert any(p.text.startswith("Tableau\u00a01 – ") for p in document.paragraphs)
    assert "| Keycloak |" in to_markdown(made)
    assert "<td>Keycloak</td>" in to_html(made)

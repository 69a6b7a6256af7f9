"""Diagrams: what the buyer asks for, from sheets and firm facts only, with a text for those who do not see them."""

from __future__ import annotations

import datetime as dt
import io

import docx
import pytest
from PIL import Image

from pipeline.diagrams import asked_figures, section_figures
from pipeline.export.figures import DPI, WIDTH, to_png
from pipeline.export.text import to_html
from pipeline.export.word import to_docx
from pipeline.records import Memoire, PlanNode
from pipeline.tables import Catalogue, read_catalogue
from tests.conftest import CORPUS
from tests.test_tables import section


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue([CORPUS / "library"], dt.date(2026, 11, 22), 700)


@pytest.mark.parametrize(
    ("title", "evidence", "kinds"),
    [
        ("Architecture technique cible", "schémas HLD / LLD obligatoires", ["hld", "lld"]),
        ("Étapes de recherche et développement", None, ["planning"]),
        ("Phase R&D – séquence par séquence", None, ["planning"]),
        ("Support", None, []),
    ],
)
def test_what_the_buyer_asks_decides(title: str, evidence: str, kinds: list[str]) -> None:
    assert asked_figures(section(title, evidence=evidence)) == kinds


def test_only_components_the_document_names_are_drawn_with_their_own_dependencies(catalogue: Catalogue) -> None:
    said = "Keycloak, PostgreSQL, Nextcloud et Zabbix sont en service."
    hld, lld = section_figures([section("Architecture technique", said, evidence="schémas HLD / LLD")], catalogue)
    assert {node.name for node in hld.nodes} == {"Keycloak", "PostgreSQL", "Nextcloud", "Zabbix"}
    assert {node.zone for node in hld.nodes if node.name == "Zabbix"} == {"Administration"}
    assert all(node.zone != "Secours" for node in hld.nodes)
    assert ("Keycloak", "PostgreSQL") in lld.edges
    assert ("PostgreSQL", "Keycloak") not in lld.edges
    assert "Keycloak s’appuie sur PostgreSQL" in lld.alt
    assert {passage.kind for passage in hld.sources} == {"component"}


def test_too_few_components_make_no_diagram(catalogue: Catalogue) -> None:
    assert section_figures([section("Architecture technique", "Keycloak.", evidence="un schéma")], catalogue) == ()


def test_a_planning_is_the_firms_own(catalogue: Catalogue) -> None:
    (planning,) = section_figures([section("Phase R&D – séquence par séquence")], catalogue)
    assert planning.bars[0].start == 1
    assert all(bar.end >= bar.start for bar in planning.bars)
    assert section_figures([section("Phase R&D – séquence par séquence")], Catalogue()) == ()


def test_diagrams_are_printed_with_caption_and_alternative_text(catalogue: Catalogue) -> None:
    one = section("Architecture technique", "Keycloak, PostgreSQL et Zabbix.", evidence="schémas HLD")
    figures = section_figures([one], catalogue)
    node = PlanNode(number="1.3", title=one.title, level=1, points=("Un point",))
    made = Memoire(title="Essai", buyer=None, reference=None, plan=(node,), sections=(one,), figures=figures)
    document = docx.Document(io.BytesIO(to_docx(made)))
    assert len(document.inline_shapes) == 1
    assert "Production" in document.inline_shapes[0]._inline.docPr.get("descr")
    assert any(p.text.startswith("Figure\u00a01 – ") for p in document.paragraphs)
    assert 'alt="Production' in to_html(made)
    image = Image.open(io.BytesIO(to_png(figures[0])))
    assert abs(image.width - WIDTH * DPI) < 2
    assert image.height < 29.7 / 2.54 * DPI

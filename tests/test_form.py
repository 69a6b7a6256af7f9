"""Can it be read, and is it of the form that the buyer rules: what is caught, left alone, not checked."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import docx
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from markupsafe import escape

from evals.kept import SHIPPED, kept, kept_dossier
from pipeline import run
from pipeline.case import Case
from pipeline.export.text import LABELS, report_to_html
from pipeline.export.word import Layout, to_docx
from pipeline.form import (
    PARAGRAPH_WORDS,
    SENTENCE_WORDS,
    Place,
    formed,
    least_points,
    length,
    readable,
    rule_items,
)
from pipeline.handed import cover_document
from pipeline.pages import page_limit, pages_said
from pipeline.readers.form import form_of
from pipeline.records import (
    Block,
    DocumentForm,
    Memoire,
    Paragraph,
    PlanNode,
    SectionBrief,
    Sentence,
    Tender,
    unwritten,
)
from tests.fakes import HashEmbedder

PLAN = (PlanNode(number="1", title="Accueil des familles", level=1, points=("Horaires",)),)


def case(*paragraphs: Paragraph, tender: Tender | None = None, form: DocumentForm | None = None) -> Case:
    brief = SectionBrief(number="1", title="Accueil des familles", level=1, chapter="Accueil", points=())
    section = unwritten(brief).model_copy(update={"paragraphs": paragraphs})
    memoire = Memoire(title="Crèche", buyer=None, reference=None, plan=PLAN, sections=(section,))
    return Case(tender or Tender(plan=PLAN), memoire, (), (), form)


def said(name: str, *texts: str, claim: str = "fact") -> Paragraph:
    told = tuple(Sentence(text=text, passages=("p",), claim=claim) for text in texts)  # type: ignore[arg-type]
    return Paragraph(id=name, point=0, sentences=told)


def words(n: int) -> str:
    return " ".join(["mot"] * (n - 1) + ["fin."])


# --- readability -------------------------------------------------------------------------------------------


def test_words_are_counted_as_a_person_counts_them() -> None:
    assert length("L'accueil ouvre à 7 h 30 : c'est tôt, dit-on.") == 9
    assert length("« Non » – oui ; 12 % !") == 3


def test_sentences_and_paragraphs_over_the_limit_are_named() -> None:
    long, short = words(SENTENCE_WORDS + 1), words(SENTENCE_WORDS)
    many = said("1-3", *[words(30)] * 5, "Encore un.")
    found = list(readable(case(said("1-1", short, long), said("1-2", short), many)))
    faults = {item.key: item.fault for item in found if item.fault}
    assert set(faults) == {"1-1#1", "1-3"}
    assert f"{SENTENCE_WORDS + 1} mots" in faults["1-1#1"]
    assert f"{5 * 30 + 2} mots" in faults["1-3"]
    assert f"{PARAGRAPH_WORDS} au plus" in faults["1-3"]
    assert [item.paragraph for item in found if item.fault] == ["1-1", "1-3"]
    assert {item.section for item in found} == {"1"}


def test_two_sentences_in_one_record_are_two_and_the_buyers_words_are_not_ours() -> None:
    two = f"Mot {words(30)} Mot {words(30)}"
    quoted = said("1-2", f"L'acheteur demande : « {words(60)} »", claim="asked")
    assert [item.fault for item in readable(case(said("1-1", two), quoted))] == [""] * 3
    assert list(readable(case(Paragraph(id="1-1", point=0, gap="[À COMPLÉTER : quand ?]")))) == []


# --- rules of form -----------------------------------------------------------------------------------------


GOOD = DocumentForm(
    format="docx", megabytes=3.0, papers=((210, 297),), smallest=11.0, smallest_style="Normal", fonts=("Arial",),
    numbered=True, contents=True, pages=30,
)  # fmt: skip


def told(rule: str, form: DocumentForm | None = GOOD, foreign: Place | None = None) -> list[tuple[str, float | None]]:
    tender = Tender(plan=PLAN, format_rules=(rule,))
    return [(item.key.split("#")[0], item.value) for item in rule_items(tender, form, foreign)]


@pytest.mark.parametrize(
    ("rule", "what", "bad"),
    [
        ("Le mémoire technique ne doit pas dépasser 30 pages.", "pages", {"pages": 31}),
        ("Les réponses sont rendues au format A4.", "papier", {"papers": ((210, 297), (216, 279))}),
        ("Police de caractères : 11 points au minimum.", "taille", {"smallest": 10.5}),
        ("Le texte est composé en corps 11.", "taille", {"smallest": 8.0}),
        ("Le mémoire est rendu en police Arial 11 au minimum.", "taille", {"smallest": 9.0}),
        ("Le mémoire est saisi en police Arial de taille 11.", "taille", {"smallest": 9.0}),
        ("La police est Arial.", "police", {"fonts": ("Arial", "Comic Sans MS")}),
        ("Les pages du mémoire sont numérotées.", "numéros", {"numbered": False}),
        ("Le mémoire comporte un sommaire paginé.", "sommaire", {"contents": False}),
        ("Les formats acceptés sont DOCX et ODT.", "format", {"format": "rtf"}),
        ("Chaque fichier ne dépasse pas 5 Mo.", "poids", {"megabytes": 5.1}),
    ],
)
def test_a_rule_is_kept_broken_or_not_known(rule: str, what: str, bad: dict[str, object]) -> None:
    assert (what, 1.0) in told(rule)
    assert (what, 0.0) in told(rule, GOOD.model_copy(update=bad))
    assert (what, None) in told(rule, None), "without a file nothing is kept and nothing is broken"
    (item,) = [
        item
        for item in rule_items(Tender(plan=PLAN, format_rules=(rule,)), GOOD.model_copy(update=bad), None)
        if item.key.startswith(what)
    ]
    assert rule.rstrip(".") in item.fault, "the fault quotes the rule"


@pytest.mark.parametrize(
    "rule",
    [
        "Les plis sont déposés sur le profil d’acheteur.",
        "Le nom de chaque fichier compte moins de 40 caractères.",
        "La valeur technique est notée sur 60 points.",
        "Les interfaces doivent être en français.",
        "La page de garde et le sommaire ne sont pas décomptés.",
        "La note sur la sécurité compte 4 pages au plus.",
        "Le cadre de prix est remis au format xlsx.",
        "Un document de police d’assurance est joint.",
        "La police d’assurance n° 10 est jointe.",
        "Les documents en langue étrangère sont accompagnés d’une traduction en français.",
    ],
)
def test_a_rule_nobody_can_check_is_unscored(rule: str) -> None:
    tender = Tender(plan=PLAN, format_rules=("Le mémoire technique : 30 pages au plus.", rule))
    found = [item for item in rule_items(tender, GOOD, None) if item.key.endswith("#1")]
    assert [(item.value, item.fault) for item in found] == [(None, "")]


@pytest.mark.parametrize(
    ("rule", "form"),
    [
        ("Le mémoire technique compte 30 pages au plus, hors annexes.", {"pages": 34}),
        ("Le mémoire technique compte 30 pages au plus.", {"pages": None}),
        ("Le mémoire est rendu en A4, les plans en A3.", {"papers": ((210, 297), (297, 420))}),
        ("Le mémoire est rendu en A4.", {"papers": ((0, 0),)}),
        ("La police est Arial ou équivalente.", {"fonts": ("Liberation Sans",)}),
        ("La police est Arial.", {"fonts": ("", "Arial")}),
        ("Police de caractères : 11 points au minimum.", {"smallest": None}),
        ("Les formats acceptés sont PDF et ODT.", {}),
        ("Le cadre de réponse est rendu en Verdana.", {}),  # another document
        ("Elle est saisie en Verdana.", {}),
        ("Le dossier de candidature est au format A4.", {"papers": ((216, 279),)}),
        ("La note sur la sécurité compte 4 pages au plus.", {}),
    ],
)
def test_what_cannot_be_told_is_unscored(rule: str, form: dict[str, object]) -> None:
    assert [value for _, value in told(rule, GOOD.model_copy(update=form))] == [None]


def test_a_rule_of_several_things_is_several_items() -> None:
    rule = "Format A4, police d’au moins 12 points, pages numérotées."
    assert told(rule) == [("papier", 1.0), ("taille", 0.0), ("numéros", 1.0)]


@pytest.mark.parametrize(
    "rule",
    [
        "Elles sont rédigées en français ou accompagnées d’une traduction.",
        "Le français est la seule langue acceptée.",
        "Langue : français.",
        "La langue de travail et de rédaction est le français.",
        "Les écrits sont en français.",
    ],
)
def test_a_rule_on_the_language_is_known_however_it_is_said(rule: str) -> None:
    assert told(rule) == [("langue", 1.0)]
    assert told(rule, GOOD, Place("1", "1-1")) == [("langue", 0.0)]


def test_the_language_is_held_to_the_words_and_its_place_is_named() -> None:
    tender = Tender(plan=PLAN, format_rules=("Les offres sont entièrement rédigées en langue française.",))
    french = said("1-1", "Nous ouvrons la crèche à sept heures.")
    english = said("1-2", "The nursery is open and all of the children are welcome.")
    assert [item.value for item in formed(case(french, tender=tender))] == [1.0]
    (item,) = formed(case(french, english, tender=tender))
    assert (item.value, item.section, item.paragraph) == (0.0, "1", "1-2")


# --- the form of a file ------------------------------------------------------------------------------------


def as_bytes(document: docx.document.Document) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def test_the_form_of_a_file_is_read_through_its_styles() -> None:
    document = docx.Document()
    document.sections[0].page_width, document.sections[0].page_height = Mm(297), Mm(210)  # A4 on its side
    document.styles["Normal"].font.name, document.styles["Normal"].font.size = "Arial", Pt(11)
    document.add_paragraph("Un texte.")
    first = form_of(as_bytes(document))
    assert (first.smallest, first.smallest_style, first.fonts) == (11.0, "Normal", ("Arial",))
    assert first.papers == ((210, 297),)
    assert (first.numbered, first.contents, first.pages) == (False, False, None)

    document.styles["Caption"].font.size = Pt(9)
    document.add_paragraph("Une légende", style="Caption")
    assert (form_of(as_bytes(document)).smallest, form_of(as_bytes(document)).smallest_style) == (9.0, "caption")
    cell = document.add_table(1, 1).cell(0, 0).paragraphs[0].add_run("une cellule")
    cell.font.size, cell.font.name = Pt(7.5), "Verdana"
    foot = document.sections[0].footer.paragraphs[0].add_run("pied de page")
    foot.font.size = Pt(5)
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), " PAGE ")
    document.sections[0].footer.paragraphs[0]._p.append(field)
    last = form_of(as_bytes(document))
    assert (last.smallest, last.numbered) == (7.5, True), "a footer is no text of the answer"
    assert "Verdana" in last.fonts


def test_our_document_has_the_form_that_the_harness_takes_for_granted() -> None:
    made = kept()
    found = form_of(to_docx(made.memoire, Layout(least_points=least_points(made.tender))))
    assert found.model_copy(update={"megabytes": SHIPPED.megabytes}) == SHIPPED


# --- in the report -----------------------------------------------------------------------------------------


def test_pages_are_known_once_the_document_is_laid_out_and_no_longer_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.run import document
    from pipeline.settings import Settings

    dossier = kept_dossier(tmp_path / "d")

    def pages() -> int | None:
        return document.pages_of(dossier, run.memoire_of(dossier))

    assert pages() is None
    monkeypatch.setattr(document, "rendered", lambda *_: (b"%PDF", 131))
    run.export_dossier(dossier, None, "pdf", Settings())
    assert pages() == 131
    next((dossier.root / "drafts").glob("*.json")).unlink()
    assert pages() is None


def test_the_report_has_both_with_their_french_names() -> None:
    made = kept()
    report = replace(made, form=SHIPPED.model_copy(update={"smallest": 8.0})).report()
    assert 0.9 < (report.metrics["readability"].value or 0) < 1
    assert report.metrics["format_rules"].unscored > report.metrics["format_rules"].n > 0
    page = report_to_html(report, "x")
    assert LABELS["readability"] in page
    assert f"Tout le document ({escape(LABELS['format_rules'])}) : Texte de 8 points" in page


def test_any_document_is_held_to_them_too() -> None:
    tender = Tender(plan=PLAN, format_rules=("Le mémoire est rendu en A4.", "Les offres sont rédigées en français."))
    texts = ["Nous ouvrons la crèche à sept heures, tous les jours ouvrés.", words(SENTENCE_WORDS + 5)]
    blocks = [Block(kind="heading", text=PLAN[0].heading, level=1)]
    blocks += [Block(kind="paragraph", text=text) for text in texts]
    report = cover_document(tender, blocks, HashEmbedder(), {}, GOOD.model_copy(update={"papers": ((216, 279),)}))
    assert [(c.metric, c.paragraph) for c in report.checks] == [("readability", "§2"), ("format_rules", None)]
    assert report.metrics["readability"].value == 3 / 4
    assert (report.metrics["format_rules"].value, report.metrics["format_rules"].n) == (0.5, 2)
    unknown = cover_document(tender, blocks, HashEmbedder(), {})
    assert (unknown.metrics["format_rules"].n, unknown.metrics["format_rules"].unscored) == (1, 1)


@pytest.mark.parametrize(
    ("rules", "least"),
    [
        (("Le mémoire technique est rédigé en police Arial, taille 11 au moins.",), 11.0),
        (("Police de 10 points, tableaux compris.", "Taille de police : 9"), 10.0),
        (("Le CV est rédigé en caractères de 12 points.",), None),
        (("La police ne dépasse pas 12 points.",), None),
        ((), None),
    ],
)
def test_text_is_as_large_as_the_buyer_wants(rules: tuple[str, ...], least: float | None) -> None:
    assert least_points(Tender(format_rules=rules)) == least
    memoire = kept().memoire
    smallest = form_of(to_docx(memoire, Layout(least_points=least))).smallest
    assert smallest == (least or form_of(to_docx(memoire)).smallest)


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("Le mémoire technique compte au plus 120 pages.", 120),
        ("Une note de 2 pages maximum est jointe.", 2),
        ("Le mémoire ne dépasse pas 20 pages", 20),
        ("Le mémoire technique ne devra pas excéder 50 pages (annexes comprises)", 50),
        ("Le mémoire est limité à trente (30) pages", 30),
        ("n'excédera pas 25 pages recto", 25),
        ("40 pages A4 maximum, hors annexes", 40),
        ("Longueur : vingt-cinq pages au maximum", 25),
        ("dans la limite de 40 pages", 40),
        ("un maximum de 15 pages recto-verso", 15),
        ("Nombre de pages maximum : 60", 60),
        ("nombre maximal de pages : 60", 60),
        ("Les pages au-delà de 60 pages ne seront pas lues", 60),
        ("Plus de 60 pages ne seront pas lues", 60),
        ("ne comportera pas plus de 35 pages", 35),
        ("sans dépasser 12 pages", 12),
        ("Le mémoire ne peut dépasser les 80 pages", 80),
        ("quatre-vingt-dix pages maximum", 90),
        ("quatre-vingts pages au plus", 80),
        ("cent vingt pages maximum", 120),
        ("deux cents pages au plus", 200),
        ("une page maximum", 1),
        ("10 pages maximum (hors CV et fiches)", 10),
        ("Le mémoire comporte au minimum 20 pages", None),
        ("Le règlement comporte 12 pages", None),
        ("page 3 sur 12 pages", None),
        ("CV : 2 pages maximum chacun", None),
        ("mémoire de 30 pages maximum, CV de 2 pages maximum", 30),
        ("Le nombre de pages est limité à 45.", 45),
        ("Le mémoire technique (50 pages max.)", 50),
        ("Le document sera limité à un total de 30 pages", 30),
        ("Tout mémoire dépassant 40 pages sera pénalisé", 40),
        ("Le volume maximal du mémoire est de 30 pages", 30),
        ("ne pas excéder une trentaine de pages", None),
        ("40 p. maximum", 40),
        ("soixante-dix pages maximum", 70),
        ("Format A4, 30 pages environ", None),
        ("Le mémoire ne devra pas comporter plus de 20 pages", 20),
        ("Le candidat est invité à ne pas dépasser 40 pages.", 40),
        ("Le nombre total de pages ne dépassera pas 30.", 30),
        ("50 pages (recto) maximum", 50),
        ("limitée à 20 pages format A4 police 11", 20),
        ("La page de garde est limitée au nom du candidat et au lot 2.", None),
        ("Les exigences de la page 12 sont au maximum reprises.", None),
    ],
)
def test_the_pages_a_text_allows(text: str, pages: int | None) -> None:
    assert pages_said(text) == pages


@pytest.mark.parametrize(
    ("rules", "pages"),
    [
        (("Une note de 2 pages maximum est jointe.", "Le mémoire ne dépasse pas vingt pages."), 20),
        (("Chaque CV tient sur 2 pages maximum.",), None),
        (("40 pages au maximum, hors annexes et CV.",), 40),
        (("Documents au format A4.",), None),
    ],
)
def test_the_limit_of_the_memoire_is_not_that_of_another_document(rules: tuple[str, ...], pages: int | None) -> None:
    assert page_limit(Tender(format_rules=rules)) == pages

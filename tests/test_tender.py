"""What the buyer imposes, on the sample tender and on small texts written as buyers write."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.french import fold
from pipeline.readers import read
from pipeline.readers.text import read_text, table_block
from pipeline.records import Block, Deadline, Document, Tender
from pipeline.tender import read_tender
from pipeline.tender.classify import piece
from pipeline.tender.criteria import read_criteria
from pipeline.tender.dates import closing
from pipeline.tender.plan import read_plan
from pipeline.tender.requirements import atomise
from tests.conftest import CORPUS

Build = Callable[..., Document]


@pytest.fixture(scope="module")
def sample() -> list[Document]:
    return [read(CORPUS / "dce" / name) for name in ("rc.pdf", "pf.docx", "ccap.pdf")]


def test_the_sample_plan_is_read_whole(sample: list[Document]) -> None:
    plan = read_tender(sample).plan
    chapters = [node for node in plan if node.level == 1]
    sections = [node for node in plan if node.level == 2]
    assert [node.number for node in chapters] == ["1", "2", "3", "4", "5", "6"]
    assert len(sections) == 20
    assert chapters[3].heading == "CHAPITRE 4 – SUPPORT ET EXPLOITATION"
    continuity = next(node for node in plan if node.number == "4.3")
    assert continuity.points == (
        "Organisation PCA et PRA",
        "Objectifs RTO et RPO et exercices",
        "Fonctionnement en mode dégradé",
    )
    assert continuity.expected is not None
    assert continuity.expected.startswith("le déroulement d’une bascule")
    assert continuity.evidence is not None
    assert continuity.page == 10


def test_parts_keep_their_points(sample: list[Document]) -> None:
    steps = next(node for node in read_tender(sample).plan if node.number == "2.2")
    assert [part.title for part in steps.parts] == [
        "Étape A – Conception",
        "Étape B – Expérimentation",
        "Étape C – Préparation du déploiement",
    ]
    assert steps.parts[1].points == ("Choix des sites pilotes", "Mesure des résultats")


def test_the_sample_criteria_and_their_weights(sample: list[Document]) -> None:
    tender = read_tender(sample)
    assert [criterion.weight for criterion in tender.criteria] == [30, 20, 10, 10, 15, 10, 5]
    assert [criterion.weight for criterion in tender.selection_criteria] == [50, 30, 20]


def test_the_sample_distinctions_deliverables_requirements_and_deadline(sample: list[Document]) -> None:
    tender = read_tender(sample)
    assert tender.distinctions == (
        "ce qui est en service",
        "ce qui sera développé pendant le marché",
        "ce qui est visé à terme",
    )
    assert [deliverable.code for deliverable in tender.deliverables] == ["D1", "D2", "D3", "D4", "D5", "D6"]
    numbered = [requirement for requirement in tender.requirements if requirement.id.startswith("EX-")]
    assert len(numbered) == 205
    assert sum(not requirement.mandatory for requirement in numbered) == 17
    assert "2027-02-12T12:00" in [deadline.date for deadline in tender.deadlines]


def test_reading_does_not_depend_on_the_order_of_files(sample: list[Document]) -> None:
    assert read_tender(sample) == read_tender(list(reversed(sample)))


def test_no_plan_is_made_up(make_document: Build) -> None:
    rc = make_document(
        ("heading", "1. Objet de la consultation"),
        ("paragraph", "La consultation a pour objet la fourniture de postes."),
        ("paragraph", "Le mémoire technique sera noté selon la qualité de l'offre."),
        ("heading", "2. Procédure de passation"),
        ("paragraph", "Appel d'offres ouvert."),
        ("heading", "3. Jugement des offres"),
        ("paragraph", "Les offres sont jugées."),
    )
    assert read_plan([rc]).nodes == ()


@pytest.mark.parametrize(
    "titles",
    [
        ("I. Compréhension du besoin", "II. Moyens humains", "III. Méthodologie"),
        ("A - Compréhension du besoin", "B - Moyens humains", "C - Méthodologie"),
        ("1) Compréhension du besoin", "2) Moyens humains", "3) Méthodologie"),
        ("Partie 1 : Compréhension du besoin", "Partie 2 : Moyens humains", "Partie 3 : Méthodologie"),
    ],
)
def test_numbering_styles_of_buyers(make_document: Build, titles: tuple[str, ...]) -> None:
    blocks = [("heading", "Cadre du mémoire technique")]
    for title in titles:
        blocks += [("heading", title), ("item", "un point ;"), ("item", "un autre point.")]
    plan = read_plan([make_document(*blocks)]).nodes
    assert [node.title for node in plan] == ["Compréhension du besoin", "Moyens humains", "Méthodologie"]
    assert [node.level for node in plan] == [1, 1, 1]
    assert plan[0].points == ("un point", "un autre point")


def test_weights_nested_under_their_criterion(make_document: Build) -> None:
    rc = make_document(
        ("heading", "Jugement des offres"),
        ("paragraph", "Les critères d'attribution sont pondérés ainsi :"),
        ("item", "Prix : 40 %"),
        ("item", "Valeur technique : 60 %"),
        ("item", "Sous-critère 1 : Méthodologie : 35 %"),
        ("item", "Sous-critère 2 : Équipe : 25 %"),
    )
    award, selection = read_criteria([rc])
    assert [(criterion.label, criterion.weight) for criterion in award] == [("Prix", 40), ("Valeur technique", 60)]
    assert [(child.label, child.weight) for child in award[1].subcriteria] == [("Méthodologie", 35), ("Équipe", 25)]
    assert selection == ()


@pytest.mark.shared
@pytest.mark.parametrize("name", ["rc.pdf", "rc.docx", "rc.txt"])
def test_a_real_plan_is_read_alike_in_three_formats(shared: object, name: str) -> None:
    document = read(shared / "dce" / "caih" / name)  # type: ignore[operator]
    tender = read_tender([document])
    assert [node.number for node in tender.plan if node.level == 1 and node.number != "ANNEXES"] == list("123456")
    assert len([node for node in tender.plan if node.level == 2]) == 19
    assert [criterion.weight for criterion in tender.criteria] == [30, 15, 15, 15, 10, 10, 5]


def values_with_pages(tender: Tender) -> list[tuple[str | None, int, str]]:
    """(document or None, page, words) of every value that says its page."""
    found: list[tuple[str | None, int, str]] = []
    for criterion in (*tender.criteria, *tender.selection_criteria):
        found += [(None, item.page, item.label) for item in (criterion, *criterion.subcriteria) if item.page]
    found += [(None, node.page, node.title) for node in tender.plan if node.page]
    found += [(r.document, r.page, r.text) for r in tender.requirements if r.page]
    found += [(p.document, p.page, p.quote) for i in tender.inconsistencies for p in i.places if p.page]
    return found


def check_pages(folder: Path, names: list[str]) -> int:
    """Open each page and find the words; a value may begin on its page and end on the next. Returns how many."""
    tender = read_tender([read(folder / name) for name in names])
    pages: dict[str, list[str]] = {}
    for name in names:
        if name.endswith(".pdf"):
            with pdfium.PdfDocument(folder / name) as pdf:
                pages[name] = [squeeze(page.get_textpage().get_text_range()) for page in pdf]
    checked = 0
    for document, page, words in values_with_pages(tender):
        sources = [document] if document else list(pages)
        texts = [pages[name][page - 1] for name in sources if name in pages and page <= len(pages[name])]
        if not texts:
            continue
        # an atomic requirement repeats the words that introduce its list: look for these…
        plain = re.sub(r"^(\w+) \[[^]]*\]", r"\1", words)
        # … and for the words of its own, which may have passed to the next page
        after = [pages[name][page] for name in sources if name in pages and page < len(pages[name])]
        own = plain.split(" – sont ")[0]
        assert any(squeeze(plain)[:6] in text for text in texts), (document, page, words)
        assert any(squeeze(own.split()[-1]) in text for text in (*texts, *after)), (document, page, words)
        checked += 1
    return checked


def squeeze(text: str) -> str:
    """Letters and digits only, so that line breaks, hyphens and bullets do not matter."""
    return "".join(c for c in fold(text.replace("\ufffe", "")) if c.isalnum())


def test_every_page_number_of_the_sample_is_right() -> None:
    assert check_pages(CORPUS / "dce", ["rc.pdf", "ccap.pdf"]) > 40


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "names", "least"), [("caih", ["rc.pdf"], 120), ("vsgp", ["RC.pdf", "CCAP.pdf", "CCTP.pdf"], 150)]
)
def test_every_page_number_of_a_real_tender_is_right(shared: Path, folder: str, names: list[str], least: int) -> None:
    assert check_pages(shared / "dce" / folder, names) > least


@pytest.mark.shared
def test_true_inconsistencies_and_no_false_one(shared: Path) -> None:
    caih = read_tender([read(shared / "dce" / "caih" / "rc.pdf")]).inconsistencies
    assert len(caih) >= 6
    assert all(item.question.endswith("?") and item.places for item in caih)
    vsgp = [read(shared / "dce" / "vsgp" / name) for name in ("RC.pdf", "CCAP.pdf", "CCTP.pdf", "AE.docx")]
    assert read_tender(vsgp).inconsistencies == ()


@pytest.mark.shared
def test_the_gold_readings_are_met(shared: Path) -> None:
    from evals import read_gold

    assert read_gold.main() == 0


@pytest.mark.parametrize(
    ("sentence", "atoms"),
    [
        (
            "Le titulaire doit fournir un plan, un calendrier et une matrice.",
            [
                "Le titulaire doit fournir un plan",
                "Le titulaire doit fournir un calendrier",
                "Le titulaire doit fournir une matrice",
            ],
        ),
        (
            "Les postes doivent être neufs, silencieux et réparables.",
            [
                "Les postes doivent être neufs",
                "Les postes doivent être silencieux",
                "Les postes doivent être réparables",
            ],
        ),
        ("Le service doit être disponible.", ["Le service doit être disponible."]),
    ],
)
def test_a_list_becomes_atomic_statements(sentence: str, atoms: list[str]) -> None:
    assert atomise(sentence) == atoms


def test_conditions_are_found_with_their_topic(sample: list[Document]) -> None:
    topics = {condition.topic for condition in read_tender(sample).conditions}
    assert topics >= {"lots", "variantes", "penalites", "assurances", "certificats"}


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("Critère 1 : Prix (50%)\nCritère 2 : Valeur technique (50%)\n", [("Prix", 50), ("Valeur technique", 50)]),
        (
            "40 % : prix des prestations\n60 % : valeur technique\n",
            [("prix des prestations", 40), ("valeur technique", 60)],
        ),
        ("- prix : 8,5 points\n- qualité : 11,5 points\n", [("prix", 8.5), ("qualité", 11.5)]),
        (
            "Le prix intervient pour 60 % de la note. La valeur technique, jugée sur pièces, est pondérée à 40 %.\n",
            [("prix", 60), ("valeur technique", 40)],
        ),
        ("* Prix - coefficient 4\n* Délai - coefficient 1\n", [("Prix", 4), ("Délai", 1)]),
        ("1) Prix ............ 70 points\n2) Délai ........... 30 points\n", [("Prix", 70), ("Délai", 30)]),
    ],
)
def test_the_forms_in_which_buyers_weigh(text: str, criteria: list[tuple[str, float]]) -> None:
    blocks, _ = read_text(f"Article 6 - Critères de jugement des offres\n\n{text}".encode(), "rc.txt")
    rc = Document(name="rc.txt", sha256="0" * 64, kind="dce", pages=1, blocks=tuple(blocks))
    award, _ = read_criteria([rc])
    assert [(criterion.label, criterion.weight) for criterion in award] == criteria


@pytest.mark.parametrize(("other", "count"), [("4 heures", 1), ("8 heures", 0)])
def test_two_pieces_that_fix_two_values_for_one_requirement(make_document: Build, other: str, count: int) -> None:
    words = "Le titulaire doit rétablir un incident majeur de la messagerie en {} à compter du signalement de l'agent."
    pf = make_document(("heading", "Programme fonctionnel"), ("paragraph", words.format("8 heures")), name="pf.txt")
    cctp = make_document(
        ("heading", "Cahier des clauses techniques particulières"), ("paragraph", words.format(other)), name="cctp.txt"
    )
    found = [item for item in read_tender([pf, cctp]).inconsistencies if "valeurs différentes" in item.message]
    assert len(found) == count
    assert all({place.document for place in item.places} == {"pf.txt", "cctp.txt"} for item in found)


VOCABULARY = """critère Critères valeur technique prix points % 40 60 100 coefficient sur 20 / ( ) : ; – - • dont plan
1. A. I ? décomposée comme suit mémoire 1.1 Lot n° 2 pondération TOTAL 12/03/2027 à 12h00 sommaire « »
offre candidature"""
WORDS = st.sampled_from(re.findall(r"\S+", VOCABULARY))
LINES = st.lists(WORDS, min_size=0, max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(
    blocks=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["heading", "paragraph", "item"]), LINES | st.text(max_size=40)),
            st.lists(st.tuples(LINES, LINES, LINES), min_size=1, max_size=5),
        ),
        max_size=25,
    )
)
def test_reading_a_tender_is_total_and_deterministic(blocks: list[object]) -> None:
    made = []
    for block in blocks:
        if isinstance(block, list):
            made.append(table_block([tuple(row) for row in block], page=1))
        elif block[1].strip():  # type: ignore[index]
            made.append(Block(kind=block[0], text=block[1], page=1, level=1, marker="–"))  # type: ignore[index]
    rc = Document(name="rc.txt", sha256="0" * 64, kind="dce", pages=1, blocks=tuple(made))
    assert read_tender([rc]) == read_tender([rc])


@pytest.mark.parametrize(
    "text",
    [
        "1 " * 4000,
        "(" * 4000,
        "10 % " * 2000,
        "de la " * 3000,
        "critère " * 2000,
        "- " * 4000,
        "a. " * 3000,
        "Lot 1, 2 et " * 1500,
    ],
)
def test_no_pattern_is_slow_on_a_long_line(text: str) -> None:
    """A quadratic or worse pattern takes minutes here; all of them together take a second."""
    blocks = (
        Block(kind="heading", text="Critères de jugement des offres", page=1),
        Block(kind="paragraph", text=f"Critères pondérés : {text} :", page=1),
        Block(kind="item", text=text, page=1, level=1, marker="–"),
        table_block([("Critère", "Points"), (text, "40"), (text[:200], text)], page=1),
    )
    rc = Document(name="rc.txt", sha256="0" * 64, kind="dce", pages=1, blocks=blocks)
    signal.setitimer(signal.ITIMER_REAL, 30)
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("a pattern is slow"))
    try:
        read_tender([rc])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize(
    ("name", "title", "kind"),
    [
        ("x.pdf", "NOTICE DE SÉCURITÉ INCENDIE", "NOTICE"),
        ("Notice_acoustique.pdf", "Généralités", "NOTICE"),
        ("x.pdf", "Cadre de réponse technique", "CADRE"),
        ("rc.pdf", "Cahier des clauses techniques particulières", "CCTP"),
    ],
)
def test_a_piece_is_known_by_its_title_before_its_name(make_document: Build, name: str, title: str, kind: str) -> None:
    assert piece(make_document(("heading", title), ("paragraph", "Texte."), name=name)) == kind


@pytest.mark.parametrize(
    ("deadlines", "expected"),
    [
        ([("Date et heure limites de remise des offres", "2027-02-12T12:00")], "2027-02-12T12:00"),
        ([("Date limite de réception des plis", "2027-03-01"), ("Limite des questions", "2027-02-20")], "2027-03-01"),
        ([("Dépôt des offres", "2027-03-01"), ("Dépôt des offres (reporté)", "2027-03-15")], "2027-03-15"),
        ([("Remise des candidatures", "2027-01-10"), ("Remise des offres", "2027-04-02")], "2027-04-02"),
        ([("Retour des candidatures", "2027-01-10"), ("Sélection des candidats", "2027-02-01")], "2027-01-10"),
        ([("Durée de validité des offres remises", "2027-09-01"), ("Visite du site", "2027-01-08")], None),
        ([("Remise des offres", None)], None),
        ([], None),
    ],
)
def test_when_offers_close(deadlines: list[tuple[str, str | None]], expected: str | None) -> None:
    told = tuple(Deadline(label=label, date=date, text=label) for label, date in deadlines)
    assert closing(Tender(deadlines=told)) == expected

"""What a sentence may not say beyond its source."""

from __future__ import annotations

import pytest

from pipeline.records import Passage
from pipeline.verify import check, names, quantities

SOURCE = (
    "Le cluster Proxmox VE 8 de 24 nœuds a été mis en service le 3 mars 2024. L'exercice PRA du 19 novembre 2024 a "
    "mesuré un RTO de 2 h 10 et un RPO de 5 min. Le budget était de 1,9 M€. 17 personnes ont été embauchées en CDI. "
    "Trois sites sont reliés."
)


def passage(text: str = SOURCE, **fields: object) -> Passage:
    base = {"id": "p1", "kind": "response", "document": "a.docx", "page": 3, "article": "4. PRA", "text": text}
    return Passage.model_validate({**base, **fields})


@pytest.mark.parametrize(
    "sentence",
    [
        "L'exercice PRA de novembre 2024 a mesuré un RTO de 2 heures 10 et un RPO de 5 minutes.",
        "L'exercice PRA du 19/11/2024 a mesuré un RTO de 130 minutes.",
        "Le budget était de 1 900 000 €.",
        "Le cluster Proxmox VE 8 a été mis en service en 2024 : il compte 24 nœuds.",
        "3 sites sont reliés.",
        "17 personnes ont été embauchées en CDI.",
    ],
)
def test_what_the_source_says_otherwise_written_passes(sentence: str) -> None:
    assert check(sentence, [passage()], "PCA / PRA") == []


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("L'exercice PRA a mesuré un RTO de 2 h 20.", "figure"),
        ("L'exercice PRA du 20 novembre 2024 a mesuré un RTO de 2 h 10.", "figure"),
        ("Le budget était de 1,9 k€.", "figure"),
        ("Le RPO mesuré a été de 5 heures.", "figure"),
        ("Le cluster Proxmox VE 9 a été mis en service.", "figure"),
        ("Quatre sites sont reliés.", "figure"),
        ("Le cluster VMware a été mis en service.", "name"),
        ("L'exercice a été mené avec Ostréane.", "name"),
        ("Le cluster Proxmox VE est en cours de construction.", "claim"),
        ("17 personnes ont été embauchées en intérim.", "claim"),
        ("Le cluster Proxmox VE sera mis en service.", "claim"),
        ("Le cluster Proxmox VE n'a jamais été mis en service.", "claim"),
        ("The cluster was in service and the RTO is good.", "language"),
        ("Le cluster Proxmox VE est une solution innovante.", "empty"),
    ],
)
def test_what_the_source_does_not_say_is_refused(sentence: str, kind: str) -> None:
    assert kind in {remark.kind for remark in check(sentence, [passage()], "PCA / PRA")}


def test_the_past_does_not_become_the_present() -> None:
    source = passage("Le PCA a décrit le maintien des soins.")
    assert check("Le PCA décrit le maintien des soins.", [source], "PCA")
    assert not check("Le PCA a décrit le maintien des soins.", [source], "PCA")


def test_a_confidential_client_never_passes() -> None:
    remarks = check("Corvane a reçu 17 personnes.", [passage("Corvane a reçu 17 personnes.")], "x", ["Corvane"])
    assert [remark.kind for remark in remarks] == ["client"]


def test_the_words_of_the_question_are_free() -> None:
    assert not check(
        "La gestion des forks : 5 forks ont été ouverts.", [passage("5 forks ont été ouverts.")], "Gestion des forks"
    )


def test_a_date_is_read_once() -> None:
    assert [(q.value, q.unit) for q in quantities("le 19 novembre 2024 à 2 h 10, 12 %")] == [
        ("2024-11-19", "date"),
        ("7800", "s"),
        ("12", "%"),
    ]


def test_names_are_capitals_inside_sentences_acronyms_and_codes() -> None:
    assert names("Les équipes de Port-Avelin tiennent le RTO avec PostgreSQL et le niveau N2.") == [
        "Port-Avelin",
        "RTO",
        "PostgreSQL",
        "N2",
    ]


@pytest.mark.parametrize(
    ("sentence", "source", "refused"),
    [
        ("Nous disposons de 24 serveurs.", "La grappe compte 24 nœuds et 7 serveurs.", True),
        (
            "Les 14 sites ont 7 jours.",
            "Les 14 établissements ont reçu la visite de notre équipe en moins de 7 jours.",
            True,
        ),
        ("17 employés en CDI.", "17 embauchés en CDI.", True),
        ("42 personnes formées ont eu 15,2 sur 20.", "Personnes formées : 42 ; Note : 15,2 sur 20", False),
        ("Debian 12 équipe les postes.", "Les postes reçoivent Debian 12.", False),
        ("En 2025, 31 appels ont été traités.", "L'astreinte a traité 31 appels en 2025.", False),
        ("Trois sites sont reliés.", "Le 3 mars 2024, 3 sites ont été reliés.", False),
    ],
)
def test_a_number_counts_what_it_counts_in_the_source(sentence: str, source: str, refused: bool) -> None:
    passage = Passage(id="p", kind="firm", document="a", page=1, article=None, text=source)
    kinds = [r.kind for r in check(sentence, [passage], "") if "ne compte pas" in r.message]
    assert bool(kinds) is refused


@pytest.mark.parametrize(
    ("sentence", "source", "refused"),
    [
        ("Le COPIL comportait 12 indicateurs.", "Le tableau de bord du COPIL comportait 12 indicateurs.", True),
        ("OpenSSH a corrigé 186 serveurs.", "CVE-2024-6387 (OpenSSH) : Ansible a corrigé 186 serveurs.", True),
        ("Le réseau compte 138 agents. Il a été formé.", "Le réseau a compté 138 agents. Il a été formé.", True),
        ("L'équipe a mobilisé 3 ingénieurs.", "L'équipe a mobilisé 3 ingénieurs en moyenne.", True),
        ("Le délai est de 4 heures.", "Le délai est de 4 heures au plus.", True),
        ("Le délai est de 4 heures au plus.", "Le délai est de 4 heures au plus.", False),
        ("Ansible a corrigé 186 serveurs.", "CVE-2024-6387 (OpenSSH) : Ansible a corrigé 186 serveurs.", False),
        ("L'astreinte a traité 31 appels.", "Au total, l'astreinte a traité 31 appels.", False),
        ("La forge a reçu 12 dépôts.", "La forge a reçu 12 dépôts, dont 3 au plus par mois.", True),
    ],
)
def test_subject_tense_and_limits_are_kept(sentence: str, source: str, refused: bool) -> None:
    passage = Passage(id="p", kind="response", document="a", page=1, article=None, text=source)
    assert bool(check(sentence, [passage], "")) is refused

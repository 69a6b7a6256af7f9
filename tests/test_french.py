import pytest

from pipeline.french import fold, french_date, in_the_past, looks_english, sentences, stems, typeset


def test_sentences_keep_abbreviations_numbers_and_articles_together() -> None:
    text = "L'art. 5 s'applique. Le RTO est de 2 h 10, cf. p. 4 du PRA. Il a été testé le 1er mars."
    assert sentences(text) == [
        "L'art. 5 s'applique.",
        "Le RTO est de 2 h 10, cf. p. 4 du PRA.",
        "Il a été testé le 1er mars.",
    ]


def test_typeset_puts_no_break_spaces_where_french_wants_them() -> None:
    assert typeset('Dit : "oui" ; 21 500 agents, 99,9 %') == (
        "Dit\u00a0: «\u00a0oui\u00a0»\u202f; 21\u202f500 agents, 99,9\u00a0%"
    )


def test_typeset_is_idempotent() -> None:
    text = typeset("Le délai : 4 h ! n° 12")
    assert typeset(text) == text


def test_stems_join_inflections_and_drop_empty_words() -> None:
    assert stems("les sauvegardes") == stems("la sauvegarde")
    assert stems("de la et du") == []


def test_fold_ignores_accents_case_and_kinds_of_space() -> None:
    assert fold("CONTINUITÉ\u00a0 d’activité") == "continuite d'activite"


def test_english_is_told_from_french_with_english_names() -> None:
    assert looks_english("The backup is tested by the team every week")
    assert not looks_english("Proxmox Backup Server conserve les sauvegardes de la production")


@pytest.mark.parametrize(
    ("iso", "said"),
    [("2026-11-01", "1er novembre 2026"), ("2025-06-30", "30 juin 2025"), ("2025-06", "juin 2025"), ("2024", "2024")],
)
def test_dates_are_written_in_french(iso: str, said: str) -> None:
    assert french_date(iso) == said


@pytest.mark.parametrize(
    ("text", "past"),
    [
        ("L'astreinte a traité 31 appels.", True),
        ("Le parc comptait 40 postes.", True),
        ("Les délais étaient tenus.", True),
        ("L'équipe répond à chaque appel.", False),
        ("Un extrait du rapport convient au souhait exprimé.", False),
        ("Un retrait fait foi.", False),
    ],
)
def test_the_past_is_told_by_verbs_not_by_letters(text: str, past: bool) -> None:
    assert in_the_past(text) is past

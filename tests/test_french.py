from pipeline.french import fold, looks_english, sentences, stems, typeset


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

import datetime as dt

import pytest
from jinja2 import Environment

from api.pages import typography


def test_templates_are_typeset_outside_code_and_tags() -> None:
    environment = Environment(autoescape=True, extensions=[typography.FrenchTypography])
    source = """<p title='a : b'>L'offre : « {{ x }} » ; {% if x == "oui ?" %}vu !{% endif %} 12 % à 4 h</p>"""
    shown = environment.from_string(source).render(x="oui ?")
    assert shown == "<p title='a : b'>L’offre\u00a0: «\u00a0oui ?\u00a0»\u202f; vu\u202f! 12\u00a0% à 4\u00a0h</p>", (
        "the address and the value stay as they are"
    )


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (typography.number(12345.5), "12\u202f345,5"),
        (typography.number(40.0), "40"),
        (typography.number(None), "–"),
        (typography.percent(0.625, 1), "62,5\u00a0%"),
        (typography.size(1_240_000), "1,2\u00a0Mo"),
        (typography.size(1), "1\u00a0octet"),
        (typography.moment("2026-12-14T12:00"), "lundi 14\u00a0décembre\u00a02026 à\u00a012\u00a0h\u00a000"),
        (typography.moment("2026-12-01"), "mardi 1er\u00a0décembre\u00a02026"),
        (typography.moment(None), "–"),
        (typography.in_days(12), "dans 12\u00a0jours"),
        (typography.in_days(1), "demain"),
        (typography.in_days(-3), "échéance passée"),
        (typography.plural(0, "pièce"), "0\u00a0pièce"),
        (typography.plural(3, "pièce"), "3\u00a0pièces"),
        (typography.plural(2, "journal", "journaux"), "2\u00a0journaux"),
    ],
)
def test_french_forms(shown: str, wanted: str) -> None:
    assert shown == wanted


def test_days_to_a_date() -> None:
    today = dt.date(2026, 12, 1)
    assert typography.days_left("2026-12-14T12:00", today) == 13
    assert typography.days_left("2026-11-30", today) == -1
    assert typography.days_left("2026-12", today) is None
    assert typography.days_left(None, today) is None


def test_an_object_begins_like_a_sentence() -> None:
    assert typography.sentence(" la « fourniture » : lot 1") == "La «\u00a0fourniture\u00a0»\u00a0: lot 1"
    assert typography.sentence("") == ""

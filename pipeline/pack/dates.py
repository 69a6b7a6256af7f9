"""When a piece was issued and until when it is proof, as it says itself; and whether it still is on a day."""

from __future__ import annotations

import calendar
import datetime as dt
import re

from pipeline.french import MONTHS, NUMBER_WORDS, fold, french_date

_MONTHS = {fold(month): number for number, month in enumerate(MONTHS, start=1)}
_DAY = (
    r"(?:(?P<d>\d{1,2})(?:er)?\s(?P<month>" + "|".join(_MONTHS) + r")\s(?P<y>20\d\d)"
    r"|(?P<d2>\d{1,2})[/.-](?P<m2>\d{1,2})[/.-](?P<y2>20\d\d)|(?P<y3>20\d\d)-(?P<m3>\d\d)-(?P<d3>\d\d))"
)
_UNTIL = re.compile(
    r"(?:jusqu.au|expir\w+(?: le)?|fin de validite|date de fin|echeance|valable du .{6,30} au|du .{6,30} au)\s*:?\s*"
    + _DAY
)
_ISSUED = re.compile(
    r"(?:delivre\w* le|etabli\w* le|emis\w* le|edite\w* le|en date du|date d.(?:edition|emission|etablissement)"
    r"|date de delivrance|a jour (?:au|du)|fait(?: a [\w -]{2,40})?,? le)\s*:?\s*" + _DAY
)
_IN_NAME = re.compile(
    r"(?<!\d)(?:(?P<y3>20\d\d)[-_.]?(?P<m3>\d\d)[-_.]?(?P<d3>\d\d)|(?P<d2>\d\d)[-_.](?P<m2>\d\d)[-_.](?P<y2>20\d\d)"
    r"|(?P<d>\d{1,2})[-_ ](?P<month>" + "|".join(_MONTHS) + r")[-_ ](?P<y>20\d\d))(?!\d)"
)
_AGE = re.compile(r"\b(?:moins|plus) de (?P<n>\d{1,2}|" + "|".join(NUMBER_WORDS) + r")(?:\s*\(\s*\d+\s*\))? mois\b")


def until_said(text: str) -> str | None:
    """The last day of validity a text gives, ISO 8601; the latest where it gives several."""
    return max((day for match in _UNTIL.finditer(fold(text)) if (day := _iso(match))), default=None)


def issued_said(text: str, stem: str) -> str | None:
    """The day a piece says it was issued, the latest where it says several; else the day in its file's name."""
    said = max((day for match in _ISSUED.finditer(fold(text)) if (day := _iso(match))), default=None)
    match = _IN_NAME.search(fold(stem))
    return said or (_iso(match) if match else None)


def months_allowed(text: str) -> int | None:
    """« datant de moins de six mois » gives 6; ``None`` where the buyer sets no age."""
    match = _AGE.search(fold(text))
    return (int(match["n"]) if match["n"].isdigit() else NUMBER_WORDS[match["n"]]) if match else None


def no_proof(day: str, issued: str | None, until: str | None, months: int | None) -> str | None:
    """Why a piece is no proof on ``day``, in French; ``None`` where it is, or where nothing tells."""
    if until is not None and until < day:
        return f"valable jusqu'au {french_date(until)} : périmée le {french_date(day)}"
    if issued is not None and months is not None and _later(issued, months) < day:
        return f"datée du {french_date(issued)} : elle doit avoir moins de {months} mois le {french_date(day)}"
    return None


def _later(day: str, months: int) -> str:
    """The same day some months later, or the last of that month."""
    start = dt.date.fromisoformat(day)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return dt.date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1])).isoformat()


def _iso(match: re.Match[str]) -> str | None:
    """``None`` for a day that no calendar has."""
    for year, month, day in (("y", "month", "d"), ("y2", "m2", "d2"), ("y3", "m3", "d3")):
        if match[year]:
            number = _MONTHS[match[month]] if month == "month" else int(match[month])
            try:
                return dt.date(int(match[year]), number, int(match[day])).isoformat()
            except ValueError:
                return None
    return None

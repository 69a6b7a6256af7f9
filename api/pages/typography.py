"""French typography of the pages: no-break spaces and apostrophes in templates, numbers, dates and sizes."""

from __future__ import annotations

import datetime as dt
import re

from jinja2.ext import Extension

from pipeline.french import NARROW, NBSP, no_break
from pipeline.french import french_date as day_in_french

_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_CODE = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<[^>{]*>)", re.DOTALL)


class FrenchTypography(Extension):
    """Templates are written with plain spaces and apostrophes; what is printed has the right ones."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        parts = _CODE.split(source)
        return "".join(_quoted(part) if index % 2 else _prose(part) for index, part in enumerate(parts))


def _quoted(text: str) -> str:
    text = re.sub(r"(?<=[A-Za-zÀ-ÿ])'(?=[A-Za-zÀ-ÿ])", "’", text)
    return text.replace("« ", f"«{NBSP}").replace(" »", f"{NBSP}»")


def _prose(text: str) -> str:
    text = re.sub(r" :(?=\s|$)", f"{NBSP}:", _quoted(text))
    text = re.sub(r" ([;!?])(?=\s|$)", rf"{NARROW}\1", text)
    return no_break(re.sub(r" %", f"{NBSP}%", text))


def number(value: float | int | None, digits: int = 1) -> str:
    """« 1 234,5 »; no decimals where they are zero; « – » for nothing."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", NARROW).replace(".", ",")


def percent(share: float | None, digits: int = 0) -> str:
    """« 62 % » of a share in [0, 1]; « – » for nothing."""
    return "–" if share is None else f"{number(100 * share, digits)}{NBSP}%"


def size(count: int) -> str:
    """« 1,2 Mo » of a count of bytes (10^6 to the megabyte)."""
    for limit, unit in ((10**9, "Go"), (10**6, "Mo"), (10**3, "ko")):
        if count >= limit:
            return f"{number(count / limit)}{NBSP}{unit}"
    return f"{count}{NBSP}octet{'s' if count > 1 else ''}"


def moment(iso: str | None) -> str:
    """« lundi 14 décembre 2026 à 12 h 00 »; without an hour where there is none; « – » for nothing."""
    if not iso:
        return "–"
    day, _, clock = iso.partition("T")
    try:
        weekday = f"{_DAYS[dt.date.fromisoformat(day).weekday()]} "
    except ValueError:
        weekday = ""
    told = weekday + day_in_french(day).replace(" ", NBSP)
    return f"{told} à{NBSP}{int(clock[:2])}{NBSP}h{NBSP}{clock[3:5]}" if clock else told


def instant(iso: str | None) -> str:
    """« 14 déc. à 12 h 05 » of an instant with its time zone, in this machine's; « – » for nothing."""
    if not iso:
        return "–"
    when = dt.datetime.fromisoformat(iso).astimezone()
    return f"{day_in_french(when.date().isoformat())} à {when.hour} h {when.minute:02d}".replace(" ", NBSP)


def days_left(iso: str | None, today: dt.date) -> int | None:
    """Days from ``today`` to a date; negative once it is past."""
    try:
        return (dt.date.fromisoformat((iso or "")[:10]) - today).days
    except ValueError:
        return None


def in_days(days: int | None) -> str:
    """« dans 12 jours », « demain », « passé »."""
    if days is None:
        return ""
    if days < 0:
        return "échéance passée"
    return {0: "aujourd’hui", 1: "demain"}.get(days, f"dans {days}{NBSP}jours")


def plural(count: int, one: str, many: str = "") -> str:
    """« 1 pièce », « 3 pièces »; zero is singular."""
    return f"{number(count)}{NBSP}{one if count < 2 else many or one + 's'}"


def sentence(text: str) -> str:
    """The buyer's words with a capital at their beginning: many write the object as the end of a sentence."""
    text = no_break(text.strip())
    return text[:1].upper() + text[1:]

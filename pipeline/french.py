"""French text: folding, sentences, stems, and the typography of what is written.

Typographic rules follow the *Lexique des règles typographiques en usage à l'Imprimerie nationale* (2002):
a no-break space before « : », inside guillemets and between a number and its unit, a narrow one before « ; ! ? ».
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

import Stemmer

NBSP = "\u00a0"
NARROW = "\u202f"

_SPACES = re.compile(r"[\s\u00a0\u202f\u2007]+")
_WORD = re.compile(r"[0-9a-zà-öø-ÿœ]+", re.IGNORECASE)
_ABBREVIATIONS = (
    "n°",
    "art.",
    "cf.",
    "p.",
    "ex.",
    "m.",
    "mme.",
    "etc.",
    "env.",
    "min.",
    "max.",
    "réf.",
    "l.",
    "r.",
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\s\u00a0]+(?=[«A-ZÀ-ÖØ-ÞŒ\d\[])")

STOPWORDS = frozenset(
    [
        "a",
        "à",
        "afin",
        "ai",
        "ainsi",
        "alors",
        "après",
        "au",
        "aucun",
        "aucune",
        "aussi",
        "autre",
        "autres",
        "aux",
        "avant",
        "avec",
        "avoir",
        "ayant",
        "car",
        "ce",
        "ceci",
        "cela",
        "celle",
        "celles",
        "celui",
        "ces",
        "cet",
        "cette",
        "ceux",
        "chaque",
        "ci",
        "comme",
        "comment",
        "d",
        "dans",
        "de",
        "depuis",
        "des",
        "dès",
        "deux",
        "doit",
        "doivent",
        "donc",
        "dont",
        "du",
        "elle",
        "elles",
        "en",
        "encore",
        "entre",
        "est",
        "et",
        "étaient",
        "était",
        "été",
        "être",
        "eu",
        "eux",
        "fait",
        "faire",
        "font",
        "hors",
        "ici",
        "il",
        "ils",
        "je",
        "jusqu",
        "l",
        "la",
        "laquelle",
        "le",
        "lequel",
        "les",
        "lesquels",
        "leur",
        "leurs",
        "lors",
        "lorsque",
        "lui",
        "m",
        "ma",
        "mais",
        "me",
        "même",
        "mêmes",
        "mes",
        "moins",
        "mon",
        "n",
        "ne",
        "ni",
        "nos",
        "notamment",
        "notre",
        "nous",
        "on",
        "ont",
        "ou",
        "où",
        "par",
        "parmi",
        "pas",
        "pendant",
        "peu",
        "peut",
        "peuvent",
        "plus",
        "pour",
        "pourra",
        "puis",
        "qu",
        "quand",
        "que",
        "quel",
        "quelle",
        "quelles",
        "quels",
        "qui",
        "quoi",
        "s",
        "sa",
        "sans",
        "se",
        "selon",
        "sera",
        "seront",
        "ses",
        "si",
        "soit",
        "son",
        "sont",
        "sous",
        "sur",
        "t",
        "ta",
        "te",
        "tel",
        "telle",
        "tels",
        "telles",
        "tes",
        "toi",
        "ton",
        "tous",
        "tout",
        "toute",
        "toutes",
        "très",
        "tu",
        "un",
        "une",
        "vers",
        "via",
        "vos",
        "votre",
        "vous",
        "y",
    ]
)

MONTHS = tuple(
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
)
"""January first."""
NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize".split(),  # noqa: SIM905
        start=1,
    )
} | {"vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60, "cent": 100, "mille": 1000}
"""Folded; « un » is also an article."""


def fold_spaces(text: str) -> str:
    """Collapse every run of white space, no-break ones included, to one space, and strip."""
    return _SPACES.sub(" ", text).strip()


@lru_cache(maxsize=1 << 16)  # the same words and passages are compared again and again
def fold(text: str) -> str:
    """Lower case, without accents, white space folded: for comparing, never for showing."""
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'").replace("œ", "oe").replace("Œ", "OE"))
    return fold_spaces("".join(c for c in decomposed if not unicodedata.combining(c))).lower()


def words(text: str) -> list[str]:
    """Lower-cased words and numbers, elisions cut (« l'hôpital » gives « l », « hôpital »)."""
    return [word.lower() for word in _WORD.findall(unicodedata.normalize("NFC", text))]


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("french")


def stems(text: str) -> list[str]:
    """Snowball stems of the words that carry meaning, accents dropped after stemming."""
    return list(_stems(text))


@lru_cache(maxsize=1 << 14)
def _stems(text: str) -> tuple[str, ...]:
    kept = [word for word in words(text) if word not in STOPWORDS]
    return tuple(fold(stem) for stem in _stemmer().stemWords(kept))


def sentences(text: str) -> list[str]:
    """Split running French text; abbreviations, decimal points and article numbers do not end a sentence."""
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        head = text[start : match.start()]
        last = head.rsplit(None, 1)[-1].lower() if head.strip() else ""
        if re.split(r"['’(«]", last)[-1] in _ABBREVIATIONS or re.fullmatch(r"[a-z]\.", last):
            continue
        found.append(head.strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


_ENGLISH = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "is",
        "are",
        "was",
        "were",
        "with",
        "for",
        "from",
        "this",
        "that",
        "these",
        "which",
        "will",
        "can",
        "should",
        "have",
        "has",
        "been",
        "by",
        "as",
        "an",
        "it",
        "its",
    ]
)
_FRENCH = STOPWORDS - {"a", "on", "y", "t", "s", "m", "n", "d", "l"}


def looks_english(text: str) -> bool:
    """True where English function words outnumber French ones; names of products do not count."""
    found = words(text)
    english = sum(word in _ENGLISH for word in found)
    french = sum(word in _FRENCH for word in found)
    return english >= 2 and english > french


def looks_french(text: str) -> bool:
    """False where a text of 50 words or more has too few French function words: they are 30 % and more of the words of
    each of the 54 documents of the sample library, 11 % of a Spanish sentence of the tests."""
    found = words(text)
    return len(found) < 50 or sum(word in _FRENCH for word in found) >= 0.2 * len(found)


_PAST = frozenset(["a", "ont", "avons", "avait", "avaient", "était", "étaient", "fut", "furent", "eut", "eurent"])
_NOT_PAST = frozenset(
    ["souhait", "parfait", "extrait", "retrait", "abstrait", "portrait", "attrait", "forfait", "satisfait"]
)


def in_the_past(text: str) -> bool:
    """Whether a verb of the text tells what is over: « a traité », « comptait », « furent ». Accents count: « à » is no
    verb."""
    return any(
        word in _PAST or (len(word) > 5 and word.endswith(("ait", "aient")) and word not in _NOT_PAST)
        for word in re.findall(r"[a-zà-öø-ÿœ]+", text.lower())
    )


_UNITS = r"(?:%|€|k€|M€|h|min|s|ms|j|ans?|mois|jours?|heures?|minutes?|secondes?|Go|To|Mo|Gbit/s|Mbit/s|km|kWh|W|ETP)"


_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (§ 2.2, Char), and Word documents therefore neither."""


def printable(text: str) -> str:
    """The text without the characters that no document can hold: control characters, halves of a pair."""
    return _UNPRINTABLE.sub("", text)


def typeset(text: str) -> str:
    """Put the no-break spaces where French typography wants them, and turn straight quotes into French ones."""
    text = fold_spaces(text)
    text = re.sub(r'"([^"]*)"', r"« \1 »", text)
    text = re.sub(r"(?<=\w)'(?=\w)", "’", text)
    text = re.sub(r"«\s*", "« ", text)
    text = re.sub(r"\s*»", " »", text)
    text = re.sub(r"\s*([;!?])(?=\s|$)", r" \1", text)
    text = re.sub(r"(?<=[^\s\d])\s*:(?=\s|$)", " :", text)
    return no_break(text)


def no_break(text: str) -> str:
    """The same text, its plain spaces made no-break where French typography wants them: what a person wrote keeps every
    other character."""
    text = re.sub(r" ([;!?])(?=\s|$)", rf"{NARROW}\1", text)
    text = text.replace("« ", f"«{NBSP}").replace(" »", f"{NBSP}»")
    text = re.sub(r" :(?=\s|$)", f"{NBSP}:", text)
    text = re.sub(r"(?<=\d) (?=\d{3}(?!\d))", NARROW, text)
    text = re.sub(rf"(?<=\d) (?={_UNITS}(?!\w))", NBSP, text)
    return re.sub(r"\b([nN]°) ", rf"\1{NBSP}", text)


def join_french(items: Iterable[str]) -> str:
    """« a, b et c »."""
    listed = list(items)
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} et {listed[-1]}"


def french_date(iso: str) -> str:
    """« 2025-06-30 » -> « 30 juin 2025 »; « 2025-06 » -> « juin 2025 »; a year stays as it is."""
    year, *rest = iso.split("-")
    month = f"{MONTHS[int(rest[0]) - 1]} " if rest else ""
    day = ("1er " if int(rest[1]) == 1 else f"{int(rest[1])} ") if len(rest) > 1 else ""
    return f"{day}{month}{year}"

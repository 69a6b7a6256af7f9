"""Does a sentence say only what its passages say? Checked without a model.

Figures with their units, dates and durations are compared after normalisation (« 2 h 10 » is « 2 heures 10 », 1,9 M€ is
1 900 000 €); names, acronyms and products must stand in the passage; so must every word that carries a claim, compared
by French stem, beyond an editable list of neutral ones (prompts/lists/neutral-words.txt); negations and futures that
the passage does not have are refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from pipeline.french import MONTHS, NUMBER_WORDS, STOPWORDS, fold, in_the_past, looks_english, sentences, stems, words
from pipeline.prompts import word_list
from pipeline.records import FindingKind, Passage


class Remark(NamedTuple):
    """What is wrong with a sentence, in French, addressed to whoever rewrites it."""

    kind: FindingKind
    message: str


class Quantity(NamedTuple):
    """A number in a text. ``unit`` is « s » for durations (value in seconds), « € », « % », a date form, or empty."""

    value: str
    unit: str
    shown: str


_MONTHS = [fold(month) for month in MONTHS]
_WORDS = {word: str(number) for word, number in NUMBER_WORDS.items() if number > 1}
_GROUPED = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))")
_DATE = re.compile(
    rf"\b(?:(?P<day>\d{{1,2}}|1er)\s+)?(?P<month>{'|'.join(_MONTHS)})\s+(?P<year>(?:19|20)\d{{2}})\b"
    r"|\b(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>(?:19|20)\d{2})\b"
)
_DURATION = re.compile(
    r"(?<![\w,.])(?P<h>\d+)\s*(?:heures?|h)(?![\w/])(?:\s*(?:et\s+)?(?P<hm>\d{1,2})(?!\s*(?:\d|%|h\b|heures?))(?:\s*(?:minutes?|min|mn)\b)?)?"
    r"|(?<![\w,.])(?P<min>\d+(?:,\d+)?)\s*(?:minutes?|min|mn)\b(?:\s*(?:et\s+)?(?P<ms>\d{1,2})\s*(?:secondes?|s)\b)?"
    r"|(?<![\w,.])(?P<s>\d+(?:,\d+)?)\s*(?:secondes?|s)\b"
)
_AMOUNT = re.compile(
    r"(?<![\w,.])(?P<n>\d+(?:,\d+)?)\s*(?P<scale>k|m|millions?(?:\s+d['’]?)?|milliards?(?:\s+d['’]?)?)?\s*(?:€|euros?)"
)
_PLAIN = re.compile(r"(?<![\w])(?P<n>\d+(?:[.,:]\d+)*)(?:\s*(?P<unit>%|pour cent\b))?")
_BARE = re.compile(r"(?<![\w.,:/-])\d+(?:,\d+)?(?![\w.,:/-]*\d|\s*(?:%|€|[kM]€|[hH]\b|min\b|mn\b|s\b|x\b|×|pour cent))")
_NAMED = re.compile(r"(?:\b[A-ZÀ-Þ][\w+-]*(?:\.\w+)*|n°|\bv)\s*$")
_FIRST = re.compile(r"(?:^|[.!?]\s)\s*\w+\s*$")
_DATE_LIKE = re.compile(rf"\b(?:\d{{1,2}}|1er)\s+(?:{'|'.join(MONTHS)})\b", re.IGNORECASE)
NEAR = 5
"""Stems on either side of a number among which what it counts may stand."""
_NAME = re.compile(r"[\wÀ-ÿ][\wÀ-ÿ&+.’'\-/]*[\wÀ-ÿ+]|[A-ZÀ-Þ]")
_FUTURE = re.compile(r"\b\w+(?:era|eront|erons|ira|iront|irons|dra|dront|vra|vront|rra|rront)\b")
_COMPLEMENT = re.compile(r"(?:\b(?:de|du|des|de la)\s+|\b[dD]['’]|\([^()]*)$", re.IGNORECASE)
"""What stands before a word that only belongs to what the sentence is about, or that is an aside."""
_QUALIFIER = re.compile(
    r"\ben moyenne\b|\ben mediane\b|\bau (?:plus|moins|maximum|minimum)\b|\benviron\b|\bpres de\b|\bjusqu'a\b|\bsauf\b"
    r"|\bhors\b|\b(?:inf|sup)erieure?s? a\b|\bplus de\b|\bmoins de\b|\bmaximale?s?\b|\bminimale?s?\b"
)
_ELISION = re.compile(r"^(?:[dlnsjmtcDLNSJMTC]|[Qq]u)['’]")
_NEGATION = re.compile(r"\b(?:ne|n|aucune?|jamais|sans|non)\b")
_DENIED = re.compile(r"\bn[e]?\s+(?:(?:se|s|y|en|l|le|la|les|nous|vous)\s+)*(\w+)(?:\s+[^\s.;:,]+){0,3}")
"""A verb denied and the three words after it, among which its participle or its object stands."""
_PRESENT = re.compile(r"\b(?:est|sont|nous|peut|peuvent|compte|dispose|reste)\b")
_PLANNED = ("en cours de", "en projet", "a venir")


def check(sentence: str, passages: Sequence[Passage], point: str, secrets: Collection[str] = ()) -> list[Remark]:
    """What ``sentence`` says beyond ``passages``. ``point`` is what was asked: its words are free to use.

    ``secrets``: spellings of clients who may not be named. An empty list means nothing was found wrong.
    """
    source = support(passages)
    return [
        *_leaks(sentence, secrets),
        *_language(sentence),
        *_empty(sentence),
        *_figures(sentence, source),
        *_names(sentence, source + " " + point),
        *_claims(sentence, source, point),
        *_polarity(sentence, source),
        *_tenses(sentence, source),
        *_heads(sentence, source),
        *_qualifiers(sentence, source),
    ]


def support(passages: Sequence[Passage]) -> str:
    """Everything a passage may prove: its text, its headings and whose experience it is, a line each."""
    return "\n".join(
        "\n".join(
            [
                *passage.headings,
                passage.text,
                passage.client_alias or passage.client or "",
                passage.date or "",
            ]
        )
        for passage in passages
    )


# --- figures -----------------------------------------------------------------------------------------------


def quantities(text: str) -> list[Quantity]:
    """Every number of a text, normalised; each character is read once (a date is not also three numbers)."""
    folded = fold(_GROUPED.sub("", text))
    found: list[Quantity] = []

    def take(pattern: re.Pattern[str], read: object) -> None:
        nonlocal folded
        rest: list[str] = []
        last = 0
        for match in pattern.finditer(folded):
            found.append(read(match))  # type: ignore[operator]
            rest += [folded[last : match.start()], " \u2016 "]
            last = match.end()
        folded = "".join([*rest, folded[last:]])

    take(_DATE, _read_date)
    take(_DURATION, _read_duration)
    take(_AMOUNT, _read_amount)
    take(_PLAIN, _read_plain)
    found += [Quantity(_WORDS[word], "", word) for word in words(folded) if word in _WORDS]
    return found


def _read_date(match: re.Match[str]) -> Quantity:
    if match["year"]:
        day = "" if not match["day"] else f"-{1 if match['day'] == '1er' else int(match['day']):02d}"
        value = f"{match['year']}-{_MONTHS.index(match['month']) + 1:02d}{day}"
    else:
        value = f"{match['y']}-{int(match['m']):02d}-{int(match['d']):02d}"
    return Quantity(value, "date", match.group(0))


def _read_duration(match: re.Match[str]) -> Quantity:
    if match["h"]:
        seconds = 3600.0 * int(match["h"]) + 60.0 * int(match["hm"] or 0)
    elif match["min"]:
        seconds = 60.0 * _number(match["min"]) + int(match["ms"] or 0)
    else:
        seconds = _number(match["s"])
    return Quantity(f"{seconds:g}", "s", match.group(0))


def _read_amount(match: re.Match[str]) -> Quantity:
    scale = (match["scale"] or "")[:5]
    factor = (
        1e9
        if scale.startswith("milli") and "ard" in (match["scale"] or "")
        else 1e6
        if scale[:1] == "m"
        else 1e3
        if scale
        else 1.0
    )
    return Quantity(f"{_number(match['n']) * factor:.2f}", "€", match.group(0))


def _read_plain(match: re.Match[str]) -> Quantity:
    number = match["n"]
    value = f"{_number(number):g}" if re.fullmatch(r"\d+(?:,\d+)?", number) and len(number) < 15 else number
    return Quantity(value, "%" if match["unit"] else "", match.group(0))


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _figures(sentence: str, source: str) -> Iterator[Remark]:
    offered = quantities(source)
    for quantity in quantities(sentence):
        if not any(same(quantity, other) for other in offered):
            yield Remark("figure", f"« {quantity.shown} » n'est pas dans la source.")
    held = _counted(source)
    for number, noun, _ in _counted(sentence):
        near = [around for other, _, around in held if other == number]
        if noun and near and not any(noun in around or any(_kin(noun, stem) for stem in around) for around in near):
            yield Remark("figure", f"« {number} » ne compte pas cela dans la source.")


class _Count(NamedTuple):
    """A bare number, the stem of what it counts (empty where nothing follows), and all stems near it."""

    number: str
    noun: str
    around: frozenset[str]


def _counted(text: str) -> list[_Count]:
    """Numbers that count something: no years, no versions (« Debian 12 »), nothing with a unit of its own."""
    text = _DATE_LIKE.sub("", _GROUPED.sub("", text))
    text = re.sub(r"[A-Za-zà-ÿ]+", lambda word: _WORDS.get(fold(word[0]), word[0]), text)
    found = []
    for match in _BARE.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        if re.fullmatch(r"(?:19|20)\d\d", match[0]) or (_NAMED.search(before) and not _FIRST.search(before)):
            continue
        nearest = re.split(r"[.;()\d]", before)[-1], re.split(r"[.;()\d]", after, maxsplit=1)[0]
        around = [*stems(nearest[0])[-NEAR:], *stems(nearest[1])[:NEAR]]
        counted = stems(re.split(r"[,:]", nearest[1], maxsplit=1)[0])
        found.append(_Count(match[0], next(iter(counted), ""), frozenset(around)))
    return found


def same(said: Quantity, offered: Quantity) -> bool:
    """Whether a quantity says what another does; a year is said by a date of that year."""
    if said.unit == offered.unit == "date":
        return offered.value.startswith(said.value)
    if said.unit in ("", "%") and offered.unit == "date" and len(said.value) == 4 and not said.unit:
        return offered.value.startswith(said.value + "-")
    if said.value != offered.value:
        return False
    return said.unit == offered.unit or (not offered.unit and said.unit == "%")


# --- names -------------------------------------------------------------------------------------------------


def names(sentence: str) -> list[str]:
    """Words that name: capitals inside a sentence, acronyms, products, codes with digits."""
    found = []
    fresh = True
    for match in re.finditer(r"\S+", sentence):
        token = match.group(0)
        core = _NAME.search(token)
        word = core.group(0).rstrip(".,;:!?’'") if core else ""
        if word:
            bare = _ELISION.sub("", word)
            shouts = any(c.isupper() for c in bare[1:]) or (
                any(c.isdigit() for c in bare) and any(c.isalpha() for c in bare)
            )
            if shouts or (bare[:1].isupper() and not fresh and fold(bare) not in STOPWORDS):
                found.append(bare)
        fresh = token.endswith((".", "!", "?", ":")) or token in ("«", "–", "•")
    return found


def _names(sentence: str, source: str) -> Iterator[Remark]:
    known = set(re.findall(r"[a-z0-9]+", fold(source)))
    for name in names(sentence):
        parts = re.findall(r"[a-z0-9]+", fold(name))
        if parts and not all(part in known or _plural(part) in known for part in parts):
            yield Remark("name", f"« {name} » n'est pas dans la source.")


def _plural(word: str) -> str:
    return word.removesuffix("s") if word.endswith("s") else word + "s"


# --- claims ------------------------------------------------------------------------------------------------


def _claims(sentence: str, source: str, point: str) -> Iterator[Remark]:
    allowed = set(stems(source)) | set(stems(point)) | _neutral()
    named = {part for name in names(sentence) for part in re.findall(r"[a-z0-9]+", fold(name))}
    for word in dict.fromkeys(words(sentence)):
        stem = next(iter(stems(word)), "")
        if not stem or len(stem) < 3 or word.isdigit() or fold(word) in named or fold(word) in _WORDS:
            continue
        if stem not in allowed and not any(_kin(stem, other) for other in allowed):
            yield Remark("claim", f"« {word} » n'est pas dit par la source.")


def _kin(left: str, right: str) -> bool:
    """Two stems of one family (« publi », « public »): five letters in common and endings of at most three."""
    shared = min(len(left), len(right))
    return shared >= 5 and abs(len(left) - len(right)) <= 3 and left[:shared] == right[:shared]


@cache
def _neutral() -> frozenset[str]:
    return frozenset(stem for word in word_list("neutral-words") for stem in stems(word))


def _polarity(sentence: str, source: str) -> Iterator[Remark]:
    said, offered = fold(sentence), fold(source)
    if _NEGATION.search(said.replace("'", " ")) and not _NEGATION.search(offered.replace("'", " ")):
        yield Remark("claim", "La négation n'est pas dans la source.")
    denied = _denials(source)
    for verb, window in _denials(sentence):
        if window and not any(window & other for _, other in denied):
            yield Remark("claim", f"« ne {verb} » : la négation n'est pas dans la source.")
    for said_part, offered_part in _nearest(sentence, source):
        kept = [window for _, window in _denials(said_part)]
        told = set(stems(said_part))
        for verb, window in _denials(offered_part):
            if window and window <= told and not any(window & other for other in kept):
                yield Remark("claim", f"« ne {verb} » est dans la source : garde la négation.")
    for match in _FUTURE.finditer(said):
        if match.group(0) not in offered and match.group(0) not in ("camera", "opera"):
            yield Remark("claim", f"Le futur « {match.group(0)} » n'est pas dans la source.")
    for phrase in _PLANNED:
        if phrase in said and phrase not in offered:
            yield Remark("claim", f"« {phrase} » n'est pas dans la source.")


def _denials(text: str) -> list[tuple[str, frozenset[str]]]:
    """Each « ne … », with its verb and the stems of what it denies."""
    told = fold(text).replace("'", " ")
    return [(match[1], frozenset(stems(match[0]))) for match in _DENIED.finditer(told)]


def _tenses(sentence: str, source: str) -> Iterator[Remark]:
    """What is told as over must not become what is."""
    for said, offered in _nearest(sentence, source):
        if in_the_past(offered) and not in_the_past(said) and not _PRESENT.search(offered.lower()):
            yield Remark("claim", "La source parle au passé : garde le passé.")


def _heads(sentence: str, source: str) -> Iterator[Remark]:
    """What a sentence is about must be what its source is about: « le bilan du COPIL » is not « le COPIL »."""
    for said, offered in _nearest(sentence, source):
        head = next((word for word in re.findall(r"[\w'’-]+", said) if stems(word)), "")
        word = _ELISION.sub("", head)
        places = list(re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", offered, re.IGNORECASE)) if word else []
        if places and all(_within(offered, place) for place in places):
            yield Remark("claim", f"La source ne parle pas de « {word} » mais de ce qui le contient : garde son sujet.")


def _within(offered: str, place: re.Match[str]) -> bool:
    """Whether a word only belongs to the subject: not « Des briques … », which begins one, nor « perte (RPO) »."""
    before = offered[: place.start()]
    if before.strip(" –-•").lower() == "des" or (place[0].isupper() and re.match(r"\)", offered[place.end() :])):
        return False
    return _COMPLEMENT.search(before) is not None


def _qualifiers(sentence: str, source: str) -> Iterator[Remark]:
    """« en moyenne », « au plus »: a figure that keeps its number and loses its limit says something else."""
    said = fold(sentence)
    figures = {quantity.value for quantity in quantities(sentence)}
    for clause in map(fold, re.split(r"[.;:\n]", source)):
        kept = figures & {quantity.value for quantity in quantities(clause)}
        for match in _QUALIFIER.finditer(clause):
            if kept and match.group(0) not in said:
                yield Remark("claim", f"« {match.group(0)} » est dans la source : garde-le.")


def _nearest(sentence: str, source: str) -> Iterator[tuple[str, str]]:
    """Each sentence said, with the sentence of the source that shares most stems with it."""
    offered = [part for line in source.split("\n") for part in sentences(line)]
    for said in sentences(sentence):
        wanted = set(stems(said))
        best = max(offered, key=lambda part: len(wanted & set(stems(part))), default="")
        if best:
            yield said, best


# --- form --------------------------------------------------------------------------------------------------


def _leaks(sentence: str, secrets: Collection[str]) -> Iterator[Remark]:
    said = fold(sentence)
    for form in secrets:
        if re.search(rf"(?<!\w){re.escape(fold(form))}(?!\w)", said):
            yield Remark("client", "Le nom d'un client confidentiel apparaît.")


def _language(sentence: str) -> Iterator[Remark]:
    if looks_english(sentence):
        yield Remark("language", "La phrase n'est pas en français.")
    foreign = [
        c for c in sentence if c.isalpha() and not unicodedata.name(c, "").startswith(("LATIN", "GREEK", "MICRO"))
    ]
    if foreign:
        yield Remark("language", f"Caractère étranger « {foreign[0]} ».")


def _empty(sentence: str) -> Iterator[Remark]:
    said = fold(sentence)
    for phrase in word_list("empty-phrases"):
        if re.search(rf"(?<!\w){re.escape(fold(phrase))}(?!\w)", said):
            yield Remark("empty", f"La formule « {phrase} » ne dit rien.")

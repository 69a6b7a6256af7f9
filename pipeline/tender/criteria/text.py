"""Criteria in lines and sentences: every weight a text mentions, with the words it weighs.

A weight stands after its words (« Prix : 40 % », « le prix est pondéré à 40 % ») or before them (« 40 % : prix »,
« dont 30 points au titre de l'équipe »). Words that introduce a breakdown (« décomposée comme suit », « dont ») make
what follows parts of what was weighed before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.french import fold, fold_spaces, sentences
from pipeline.tender.criteria.entries import (
    Entry,
    clean,
    is_label,
    split_code,
    split_note,
    trim,
    value_of,
    weights_in,
)

_BREAKS = re.compile(
    r"\bdont\b|d[ée]compos|r[ée]parti|ventil|comme suit|ainsi\s*:|à savoir|apprécié\w*\s+à hauteur|au travers"
    r"|:\s*$|^\s*:",
    re.IGNORECASE,
)
"""Between two weights: the second is a part of the first."""
_AFTER = re.compile(
    r"^\s*(?:restants?\s+\w+(?:\s+à|\s+aux?)?|[:–—\-]|pour|au titre d[eu']s?|au titre de l[a'’]|concernant|sur"
    r"|attribués? (?:à|au))\s*(?:les\s|la\s|le\s|l['’])?",
    re.IGNORECASE,
)
"""After a weight that has no words before it: its words follow."""
_ENDS = re.compile(r"\s+et\s+(?:à hauteur de|à|pour|dont)?\s*$|[,;.(]|\s+et\s+(?=à hauteur|pour\b|\d)", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[•●▪■➢→*]\s*|[–—\-]\s+)")
_INLINE = re.compile(r"(?:(?<=[);:.])|(?<=points)|(?<=%))\s+[–—\-•]\s+(?=[A-ZÀ-Þ])")
_LEAD = re.compile(r"^(?:[\s,;:.)–—\-]+|(?:et|dont)\s+)+", re.IGNORECASE)
_REPEATS = re.compile(
    r"^les?\s+(?:\d+\s*(?:points?|%)\s+(?:de|du|des)\s*(?:la|l['’])?|(?:note|points) (?:de|du)\s*(?:la|l['’])?)\s*"
    r"(?P<label>[^:,;]{3,60}?)\s+(?:se|est|sont)\b",
    re.IGNORECASE,
)
"""« Les 40 points de la valeur technique se répartissent… »: names again what is broken down."""
LONGEST_LABEL = 260


def read_lines(text: str, page: int | None) -> list[Entry]:
    """The entries of a text of one or several lines, bullets within a line included."""
    found: list[Entry] = []
    for line in text.split("\n"):
        for piece in _INLINE.split(line):
            found += read_text(_BULLET.sub("", piece), page)
    return found


def read_text(text: str, page: int | None) -> list[Entry]:
    """The entries of a paragraph, list item or heading, in order; parts have depth 1."""
    text = fold_spaces(text)
    if not any(c.isdigit() for c in text):
        return []
    entry = _line(text, page)
    if entry is not None:
        return [entry]
    found: list[Entry] = []
    for sentence in sentences(text):
        found += _sentence(sentence, page, found)
    return found


def _line(text: str, page: int | None) -> Entry | None:
    """A line that is a label and its weight, at its end or at its beginning, and what is added on it."""
    code, rest, depth = split_code(text)
    mentions = weights_in(rest)
    if not mentions:
        return None
    first = mentions[0]
    weight, unit = value_of(first)
    if len(mentions) == 1 and not rest[: first.start()].strip(" (–-"):
        label = clean(_AFTER.sub("", rest[first.end() :]))
        named = re.match(r"^\s*[:–—\-]", rest[first.end() :]) and is_label(label) and len(label) < LONGEST_LABEL
        return Entry(label, weight, unit, page, depth=depth, code=code) if named else None
    start = first.start("out") if first["out"] else first.start()
    before, after = rest[:start], rest[first.end() :].strip(" )")
    dont = bool(re.match(r"^\s*dont\s", text))
    label, note = split_note(before)
    label = trim(_LEAD.sub("", label))
    if re.search(r"[a-zé]\.\s+[A-ZÀ-Þ]", before) and not note:
        return None
    if len(label) > LONGEST_LABEL or not is_label(label) or _is_sentence(before):
        return None
    if len(mentions) > 1:
        return None
    if after and not re.match(r"^[.;:,]*$", after):
        if not re.match(
            r"^[,;:.–—-]*\s*(?:dont|d[ée]compos|r[ée]parti|ainsi|appr[ée]ci|jug[ée]|not[ée]|[ée]valu|analys|selon"
            r"|au regard|au vu|sur la base|maxi|\()",
            after,
        ):
            return None
        note = note or after.strip(" ,;:.")
    opens = bool(re.search(r"\bdont\b|d[ée]compos|r[ée]parti|:\s*$", after))
    return Entry(label, weight, unit, page, note=note, depth=1 if dont else depth, code=code, of_which=opens)


def _is_sentence(before: str) -> bool:
    """Words with a verb of their own before the weight (« Le prix compte pour ») are read as a sentence."""
    return bool(
        re.search(
            r"\b(?:compte (?:pour|à)|repr[ée]sente|vaut|est|sont|sera|seront|intervient|entre|se d[ée]compose)\b",
            before,
        )
    ) and not (
        re.search(r"\b(?:not[ée]|pond[ée]r)\w*\s*(?:sur|à|:)?\s*$", before)
        and len(before) < 90
        and "," not in before
        and not re.search(r"\b(?:est|sont|sera|seront)\b", before)
    )


def _sentence(sentence: str, page: int | None, earlier: list[Entry]) -> Iterator[Entry]:
    repeats = _REPEATS.match(sentence)
    parent = _known(repeats["label"], earlier) if repeats else None
    lead = re.match(r"^(?P<label>[^:]{3,60}?)\s*:\s", sentence)
    if parent is None and lead and earlier:
        parent = _known(lead["label"], earlier)
    end, inside, held, part = 0, parent is not None, False, False
    last: Entry | None = None
    several = len(weights_in(sentence)) > 1
    start_at = repeats.end() if repeats else (lead.end() if lead and parent else 0)
    for match in weights_in(sentence, start_at):
        begin = match.start("out") if match["out"] else match.start()
        between = sentence[max(end, start_at) : begin]
        weight, unit = value_of(match)
        follows = sentence[match.end() :]
        broken = bool(last and _BREAKS.search(between)) or inside or (held and part)
        own = "" if held else _words(between, listed=several)
        held = False
        if not is_label(own):
            own = ""
            after = _AFTER.match(follows)
            if after:
                words = follows[after.end() :]
                stop = _ENDS.search(words)
                own = clean(words[: stop.start()] if stop else words)
                held = True
        end = match.end()
        if not own or not is_label(own) or len(own) > LONGEST_LABEL or " = " in own:
            held = False
            continue
        entry = Entry(own, weight, unit, page, depth=1 if broken else None, in_sentence=True)
        entry.under = parent.label if parent and broken else ""
        if broken and last and last.depth is None:
            last.of_which, last.depth = True, 0
        if parent is not None and parent.depth is None:
            parent.depth = 0
        if not (broken or inside) or last is None:
            last = entry
        inside = inside or bool(
            re.match(r"^[^.;]{0,80}?(?:d[ée]compos|r[ée]parti|ventil|comme suit|ainsi)[^.;]{0,40}:", follows)
        )
        part = bool(broken)
        yield entry
        if entry.depth is None and inside:
            entry.depth = 0


def _words(between: str, *, listed: bool) -> str:
    """The words of the clause before a weight: those after the last mark that ends another clause."""
    parts = re.split(r"[;:]\s|\.\s|\)\s*[,;]?\s", between)
    if listed and len(parts) > 1 and parts[-1].rstrip().endswith("("):  # « : la qualité (10 %), le délai (5 %) »
        return re.sub(r"^(?:et|puis|enfin)\s+", "", trim(parts[-1]))
    words = clean(parts[-1])
    if "," in words:  # « , pondéré à » is a tail; « qualité, délais et équipe » a label
        tail = words.rsplit(",", 1)[1].strip()
        words = words if len(tail) > 12 or tail[:1].islower() else tail
    return words


def _known(label: str, earlier: list[Entry]) -> Entry | None:
    wanted = fold(clean(label))
    return next((entry for entry in earlier if fold(entry.label) == wanted), None)

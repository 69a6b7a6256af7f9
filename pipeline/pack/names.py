"""The name of a file under the buyer's rule: filled, made safe, shortened without losing its code or its extension."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.french import STOPWORDS, typeset
from pipeline.pack.kinds import Kind, plain
from pipeline.pack.naming import kinds_of_values
from pipeline.records import NamePattern, NamingRule, Side

DEFAULT = ("{piece}", "{titre}")
SOBER_CHARS = 60
"""Longest name where the buyer gives no limit: readable in a list of files, far below what any platform refuses."""
WHOLE, LEAST = 5, 4
"""A title or a name of a candidate this short is never cut (DUME, DPGF, Kbis); of others this much is left."""
_DISTINGUISHING = {"piece", "titre", "numero", "rang"}


@dataclass(frozen=True)
class Bidder:
    """What names hold that no document of the buyer says; empty where not known."""

    name: str = ""
    lot: str = ""


@dataclass(frozen=True)
class Subject:
    """What a file is, for its name."""

    code: str
    """The buyer's code of the deliverable; empty where there is none."""
    kind: Kind | None
    title: str
    """In words; used where the kind has no short name."""
    number: int
    """Its rank in the buyer's list, from 1."""
    side: Side


@dataclass(frozen=True)
class Named:
    """A name, and which rule gave it, in French."""

    name: str
    rule: str


@dataclass(frozen=True)
class Namer:
    """The buyer's rule with all it needs to be applied."""

    rule: NamingRule
    bidder: Bidder
    reference: str
    day: str
    """Day of submission, ISO 8601; empty where not known."""

    def name(self, subject: Subject, extension: str, taken: Collection[str]) -> Named:
        """A name that no other file has (``taken``, compared without case); ``extension`` with its dot."""
        pattern = next((p for p in self.rule.patterns if p.scope in ("", subject.side)), None)
        separator = pattern.separator if pattern else "_"
        parts = list(pattern.parts) if pattern else list(DEFAULT)
        if not any(part.strip("{}").lower() in _DISTINGUISHING for part in parts if part.startswith("{")):
            parts += DEFAULT
        filled = [(part, self._value(part, subject)) for part in parts]
        filled = [(part, value) for part, value in filled if value]
        kept = [pair for n, pair in enumerate(filled) if pair[1].lower() not in [v.lower() for _, v in filled[:n]]]
        used = {name.lower() for name in taken}
        for count in range(1, len(used) + 2):
            tail = f"{separator}{count}" if count > 1 else ""
            name = self._fitted(kept, separator, tail, extension)
            if name.lower() not in used:
                break
        return Named(name, self._told(pattern, name, extension))

    def _value(self, part: str, subject: Subject) -> str:
        """What a part becomes, of letters, digits and, between words of the buyer's own text, hyphens."""
        if not part.startswith("{"):
            return _safe(part)
        variable = part.strip("{}")
        own = self._buyers_word(subject.kind) if subject.kind else ""
        title = own or (subject.kind.name if subject.kind else subject.title)
        value = {
            "candidat": self.bidder.name or "CANDIDAT",
            "lot": f"Lot{self.bidder.lot}" if self.bidder.lot else "",
            "reference": self.reference,
            "date": self.day.replace("-", ""),
            "numero": f"{subject.number:02d}",
            "rang": str(subject.number),
            "piece": own or subject.code or title,
            "titre": title,
            "dossier": subject.side.capitalize(),
        }[variable.lower()]
        value = _safe(value) if variable.lower() == "reference" else _joined(value)
        return value.upper() if variable.isupper() else value

    def _buyers_word(self, kind: Kind) -> str:
        """The buyer's word for a kind; empty where it gives none."""
        words = kinds_of_values(self.rule)
        return words.get(kind.name) or (words.get("Certificats", "") if kind.note == "certificat" else "")

    def _fitted(self, filled: Sequence[tuple[str, str]], separator: str, tail: str, extension: str) -> str:
        """Shortened to the limit, by words and then by letters: the title first, then the candidate's name; the code,
        the number and the extension never."""
        limit = self.rule.max_chars or SOBER_CHARS
        room = limit - (len(extension) if self.rule.with_extension or not self.rule.max_chars else 0) - len(tail)
        values = [value for _, value in filled]
        for variable, shortened in (("titre", _by_words), ("candidat", _by_words), ("titre", _cut), ("candidat", _cut)):
            for position, (part, _) in enumerate(filled):
                over = len(separator.join(values)) - room
                if over > 0 and part.lower() == f"{{{variable}}}":
                    values[position] = shortened(values[position], len(values[position]) - over)
        return separator.join(values) + tail + extension

    def fits(self, name: str) -> bool:
        """Whether a name keeps to the buyer's limit."""
        counted = name if self.rule.with_extension else name.rpartition(".")[0]
        return self.rule.max_chars is None or len(counted) <= self.rule.max_chars

    def _told(self, pattern: NamePattern | None, name: str, extension: str) -> str:
        if pattern is None and self.rule.max_chars is None:
            return typeset("aucune règle de nommage lue : code et titre")
        said = typeset(f"modèle de l'acheteur « {pattern.text} »") if pattern else "code et titre"
        if self.rule.max_chars is not None:
            said += f", {len(name)} caractères pour {self.rule.max_chars} au plus"
            said += "" if self.rule.with_extension else f" hors « {extension} »"
        return said


def _safe(text: str) -> str:
    """Letters, digits and hyphens, without accents: every buyer's rule allows them inside its own text."""
    return re.sub(r"[^A-Za-z0-9]+", "-", plain(text)).strip("-")


def _joined(text: str) -> str:
    """« Attestation de vigilance » gives « AttestationVigilance »; a single word stays as it is."""
    words = re.findall(r"[A-Za-z0-9]+", plain(text))
    kept = [word for word in words if word.lower() not in STOPWORDS or word.isupper()] or words
    return "".join(word if word.isupper() or len(kept) == 1 else word[0].upper() + word[1:] for word in kept)


def _by_words(value: str, room: int) -> str:
    """The first words that fit, one at least: « AttestationVigilance » in 12 gives « Attestation »."""
    kept = ""
    for match in re.finditer(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", value):
        if kept and match.end() > room:
            break
        kept = value[: match.end()]
    return kept


def _cut(value: str, room: int) -> str:
    """The first letters, no fewer than those that tell; a sigle stays whole."""
    return value if len(value) <= WHOLE else value[: max(room, LEAST)]

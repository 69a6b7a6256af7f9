"""What a piece is, by its words: the kinds of prompts/lists/pieces.txt found in a title or in the name of a file."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from pipeline.prompts import word_list

TO_FILL = "à remplir"
"""The note of a kind that only a person fills in: prices, signature."""


class Kind(NamedTuple):
    """A line of the list."""

    name: str
    """As it stands in the name of a file."""
    folder: str
    """candidature, offre or acheteur."""
    words: tuple[tuple[str, ...], ...]
    """Ways to say it, each as the words of :func:`tokens`; a sigle stays in capitals."""
    note: str

    @property
    def months(self) -> int | None:
        """Most months the law lets it be old; ``None`` where it says nothing."""
        match = re.match(r"(\d+) mois", self.note)
        return int(match[1]) if match else None


@cache
def kinds() -> tuple[Kind, ...]:
    """The list, in its order."""
    found = []
    for line in word_list("pieces"):
        name, folder, said, note = (part.strip() for part in f"{line} |||".split("|")[:4])
        found.append(Kind(name, folder, tuple(tuple(tokens(words)) for words in said.split(";")), note))
    return tuple(found)


def plain(text: str) -> str:
    """The same text, as long, without accents; case is kept."""
    composed = unicodedata.normalize("NFC", text.replace("’", "'"))
    return "".join(unicodedata.normalize("NFD", character)[0] for character in composed)


def tokens(text: str) -> list[str]:
    """Words and numbers without accents or plural; only sigles keep their capitals."""
    found = re.findall(r"[A-Za-z0-9]+", plain(text))
    return [_singular(word) if not _is_sigle(word) else word for word in found]


def _is_sigle(word: str) -> bool:
    return word.isupper() and not word.isdigit()


def _singular(word: str) -> str:
    lower = word.lower()
    return lower[:-1] if len(lower) > 3 and lower.endswith("s") else lower


def file_words(stem: str) -> str:
    """The name of a file as words: « AttestationFiscale_2026 » gives « Attestation Fiscale 2026 »."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", stem)).strip()


def kinds_in(text: str, *, sigles: bool = True) -> tuple[Kind, ...]:
    """The kinds a text names, in the order it names them, the longest words first, once each.

    ``sigles``: acronyms count only in capitals, as in running text (« ne pas » is no PAS); names of files spell them
    as they like.
    """
    words = tokens(text)
    found: dict[str, Kind] = {}
    position = 0
    while position < len(words):
        length, kind = _longest(words[position:], sigles)
        if kind:
            found.setdefault(kind.name, kind)
        position += max(length, 1)
    return tuple(found.values())


def is_kind(text: str) -> bool:
    """Whether the whole text is a way to say one kind."""
    words = tokens(text)
    return bool(words) and _longest(words, sigles=False)[0] == len(words)


def _longest(words: list[str], sigles: bool) -> tuple[int, Kind | None]:
    """How many of the first words name a kind, and which."""
    best: tuple[int, Kind | None] = (0, None)
    for kind in kinds():
        for said in kind.words:
            if (
                len(said) > best[0]
                and len(said) <= len(words)
                and all(_same(word, own, sigles) for word, own in zip(words, said, strict=False))
            ):
                best = (len(said), kind)
    return best


def _same(word: str, own: str, sigles: bool) -> bool:
    if _is_sigle(own) and sigles:
        return word == own
    return _singular(word) == _singular(own)

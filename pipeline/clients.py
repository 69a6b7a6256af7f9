"""Past clients: which response was written for whom, and who may not be named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.french import fold
from pipeline.records import Document, Passage

_COMMON_NAME_WORDS = frozenset(
    [
        "agence",
        "association",
        "autorite",
        "centre",
        "centrale",
        "collectivite",
        "communaute",
        "commune",
        "conseil",
        "departement",
        "departemental",
        "direction",
        "etablissement",
        "etat",
        "ghu",
        "ght",
        "groupe",
        "groupement",
        "haute",
        "hopital",
        "hopitaux",
        "hospitalier",
        "hospitaliers",
        "hospitaliere",
        "hospitalis",
        "institut",
        "metropole",
        "ministere",
        "mutuelle",
        "national",
        "nationale",
        "office",
        "pays",
        "pole",
        "public",
        "region",
        "regional",
        "regionale",
        "service",
        "services",
        "societe",
        "syndicat",
        "universitaire",
        "universite",
        "ville",
    ]
)


@dataclass(frozen=True)
class Client:
    """A past client, from the firm's references."""

    name: str
    nameable: bool
    alias: str
    """How it may be called outside the firm."""
    forms: tuple[str, ...]
    """Spellings that give it away: its name, its distinctive words, other names the reference lists."""


def client_of(record: Mapping[str, Any]) -> Client:
    """The client of a reference (a record with « client » and « nommable »)."""
    name = str(record["client"])
    distinctive = [
        word for word in re.findall(r"[\w\-]{4,}", name) if word[:1].isupper() and fold(word) not in _COMMON_NAME_WORDS
    ]
    forms = {name, *distinctive, *(str(other) for other in record.get("autres_noms") or [])}
    alias = str(record.get("designation_publique") or "un client de l'entreprise")
    return Client(name, bool(record["nommable"]), name if record["nommable"] else alias, tuple(sorted(forms)))


def with_client(document: Document, clients: Sequence[Client]) -> Document:
    """A past response belongs to the client it names most."""
    if document.kind != "response":
        return document
    text = fold(" ".join(block.text for block in document.blocks))
    counts = Counter({client: text.count(fold(client.name)) for client in clients})
    if not counts or counts.most_common(1)[0][1] < 3:
        return document
    client = counts.most_common(1)[0][0]
    return document.model_copy(
        update={
            "client": client.name,
            "client_alias": None if client.nameable else client.alias,
            "date": _last_year(text),
        }
    )


def _last_year(text: str) -> str | None:
    """The year of a consolidated version, when the first lines give one."""
    years = [int(year) for year in re.findall(r"\b(20[12]\d)\b", text[:1500])]
    return str(max(years)) if years else None


def mask(passage: Passage, secrets: Sequence[tuple[str, str]]) -> Passage:
    """The passage without the names of clients who may not be named, file name included."""
    if not secrets or passage.kind == "dce":
        return passage
    document = passage.document
    for form, _ in secrets:
        if fold(form) in fold(document):
            document = "Réponse antérieure (client confidentiel)"
    return passage.model_copy(
        update={
            "text": masked(passage.text, secrets),
            "headings": tuple(masked(h, secrets) for h in passage.headings),
            "article": masked(passage.article, secrets) if passage.article else None,
            "document": document,
            "client": None if passage.client_alias else passage.client,
        }
    )


def masked(text: str, secrets: Sequence[tuple[str, str]]) -> str:
    """« de la Mutuelle X » -> « d'un organisme … »: the article goes with the name, elision is kept right."""
    for form, alias in secrets:
        pattern = re.compile(
            rf"(?P<lead>\b(?:de la|de l['’]|du|des|à la|à l['’]|au|la|le|l['’])\s*)?{_spelled(form)}(?!\w)",
            re.IGNORECASE,
        )

        def put(match: re.Match[str], alias: str = alias, text: str = text) -> str:
            lead = fold(match["lead"] or "")
            if lead.startswith(("de", "du")):
                return f"d'{alias}" if alias[:1].lower() in "aeiouhéu" else f"de {alias}"
            if lead.startswith(("a ", "a l", "au")):
                return f"à {alias}"
            at_start = match.start() == 0 or text[: match.start()].rstrip().endswith((".", ":"))
            return alias[:1].upper() + alias[1:] if at_start else alias

        text = pattern.sub(put, text)
    return text


_ACCENTED = {"a": "aàâä", "c": "cç", "e": "eéèêë", "i": "iîï", "o": "oôö", "u": "uùûü", "y": "yÿ"}
_VARIANTS = {
    **{letter: f"[{group}]" for group in _ACCENTED.values() for letter in group},
    **dict.fromkeys("'’", "['’]"),
    **dict.fromkeys("-‐‑–", r"[-‐‑–\s]"),
}


def _spelled(form: str) -> str:
    """A pattern for a name with or without its accents, with either apostrophe, its words parted by any white space."""
    spelled = (_VARIANTS.get(letter, re.escape(letter)) for letter in " ".join(form.lower().split()))
    return "".join(r"[-‐‑–\s]+" if letter == r"\ " else letter for letter in spelled)


def secret_forms(clients: Sequence[Client]) -> tuple[tuple[str, str], ...]:
    """``(spelling, alias)`` of clients who may not be named, longest first."""
    pairs = {(form, client.alias) for client in clients if not client.nameable for form in client.forms}
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0])))

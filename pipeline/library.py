"""The firm's library: past responses, component sheets, firm facts -> Documents that know what they may prove.

Kind follows content: a Markdown sheet whose front matter names an SPDX licence is a component; a YAML list is firm
facts; any other readable document is a past response. Formats are described in corpus/README.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import DocumentError
from pipeline.french import MONTHS, fold, join_french
from pipeline.readers import SUPPORTED, read
from pipeline.readers.text import decode, read_markdown
from pipeline.records import Block, Document

_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n(.*)\Z", re.DOTALL)
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


@dataclass(frozen=True)
class Library:
    """Everything the firm may draw on, with what could not be read."""

    documents: tuple[Document, ...] = ()
    clients: tuple[Client, ...] = ()
    unread: tuple[str, ...] = ()
    """One French line a file that was passed over, with its reason."""

    def secret_forms(self) -> tuple[tuple[str, str], ...]:
        """``(spelling, alias)`` of clients who may not be named, longest first."""
        pairs = {(form, client.alias) for client in self.clients if not client.nameable for form in client.forms}
        return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair[0])))


def read_library(folders: Sequence[Path], today: dt.date) -> Library:
    """Read every file under ``folders``. ``today`` tells which certificates have expired. A file that cannot be read
    is named in ``unread`` and the others go on."""
    documents: list[Document] = []
    unread: list[str] = []
    references: list[Mapping[str, Any]] = []
    for path in sorted(item for folder in folders for item in _files(folder)):
        try:
            if path.suffix.lower() in (".yaml", ".yml"):
                records = _yaml_list(path)
                references += [record for record in records if "client" in record and "nommable" in record]
                documents.append(_facts(path, records, today))
            elif path.suffix.lower() == ".md" and (sheet := _sheet(path)) is not None:
                documents.append(sheet)
            elif path.suffix.lower() in SUPPORTED:
                documents.append(read(path, "response"))
            else:
                unread.append(
                    f"{path} : format « {path.suffix or 'sans extension'} » non pris en charge, fichier ignoré."
                )
        except DocumentError as error:
            unread.append(str(error))
    clients = tuple(_client(record) for record in references)
    return Library(tuple(_with_client(document, clients) for document in documents), clients, tuple(unread))


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DocumentError("Dossier introuvable", where=folder, remedy="Vérifiez le chemin de la bibliothèque.")
    return [p for p in folder.rglob("*") if p.is_file() and not any(part.startswith((".", "~")) for part in p.parts)]


# --- component sheets --------------------------------------------------------------------------------------


def _sheet(path: Path) -> Document | None:
    """A component sheet, or ``None`` for any other Markdown file."""
    data = path.read_bytes()
    match = _FRONT_MATTER.match(decode(data, str(path)))
    if not match:
        return None
    try:
        fields = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise DocumentError(
            f"En-tête YAML illisible : {str(error).splitlines()[0]}",
            where=path,
            remedy="Corrigez l'en-tête de la fiche.",
        ) from error
    if not isinstance(fields, dict) or "spdx" not in fields:
        return None
    name = str(fields.get("name", path.stem))
    dated = _month(fields.get("facts_date"))
    lines = [
        f"{name} est diffusé sous licence {fields['spdx']} ; éditeur : {fields.get('publisher', 'non précisé')} "
        f"({fields.get('country', '?')}).",
        *(
            str(fields[key])
            for key in ("role", "maturity", "governance", "release_policy", "support_policy")
            if fields.get(key)
        ),
    ]
    if fields.get("dependencies"):
        lines.append(f"{name} dépend de {join_french(map(str, fields['dependencies']))}.")
    lines += [str(risk) for risk in fields.get("known_risks") or []]
    blocks = [
        Block(
            kind="heading",
            text=f"Fiche {name} (faits de {dated})" if dated else f"Fiche {name}",
            page=1,
            level=1,
        )
    ]
    blocks += [Block(kind="paragraph", text=line, page=1) for line in lines]
    body, _ = read_markdown(match[2].encode(), str(path))
    blocks += [block.model_copy(update={"level": block.level or 0}) for block in body]
    return Document(
        name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        kind="component",
        pages=1,
        blocks=tuple(blocks),
        date=str(fields.get("facts_date") or "") or None,
    )


# --- firm facts --------------------------------------------------------------------------------------------


def _yaml_list(path: Path) -> list[dict[str, Any]]:
    try:
        value = yaml.safe_load(decode(path.read_bytes(), str(path)))
    except yaml.YAMLError as error:
        raise DocumentError(
            f"YAML illisible : {str(error).splitlines()[0]}", where=path, remedy="Corrigez ce fichier."
        ) from error
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DocumentError("Une liste de fiches est attendue", where=path, remedy="Voyez corpus/library/entreprise.")
    return value


def _facts(path: Path, records: Sequence[Mapping[str, Any]], today: dt.date) -> Document:
    blocks: list[Block] = []
    for record in records:
        title, lines = _fact(record, today)
        blocks.append(Block(kind="heading", text=title, page=1, level=1))
        blocks += [Block(kind="paragraph", text=line, page=1) for line in lines if line]
    return Document(
        name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        kind="firm",
        pages=1,
        blocks=tuple(blocks),
    )


def _fact(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    """Title and sentences of one record, by the fields it has."""
    forms: tuple[tuple[str, Callable[[Mapping[str, Any], dt.date], tuple[str, list[str]]]], ...] = (
        ("valable_jusqu_au", _certificate),
        ("nommable", _reference),
        ("effectif", _team),
        ("engagement", _service_level),
        ("enonce", _policy),
        ("moyen", _means),
    )
    for key, form in forms:
        if key in record:
            return form(record, today)
    first = next(iter(record.values()), "")
    return str(first), [" ; ".join(f"{key} : {value}" for key, value in record.items())]


def _certificate(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    until = record["valable_jusqu_au"]
    name = f"{record.get('intitule', 'Certificat')}"
    number = f" (n° {record['numero']})" if record.get("numero") else ""
    if isinstance(until, dt.date) and until < today:
        return f"Certificat {name} – EXPIRÉ", [
            f"Le certificat {name}{number} a expiré le {_day(until)} : il ne prouve plus rien."
        ]
    return f"Certificat {name}", [
        f"Le certificat {name}{number} est valable jusqu'au {_day(until)}.",
        f"Périmètre du certificat {name} : {record['perimetre']}" if record.get("perimetre") else "",
    ]


def _reference(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    client = str(record["client"])
    years = f"{record.get('debut', '?')}-{record.get('fin', '?')}"
    lines = [f"{record.get('objet', '')}".strip(), *(str(result) for result in record.get("resultats") or [])]
    return f"Référence {client} ({years})", lines


def _team(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    title = str(record.get("fonction", "Équipe"))
    lead = f", sous la responsabilité de {record['responsable']}" if record.get("responsable") else ""
    return f"Équipe : {title}", [
        f"L'équipe « {title} » compte {record['effectif']} personnes{lead}.",
        str(record.get("profil") or ""),
        f"Présence de l'équipe « {title} » : {record['presence']}" if record.get("presence") else "",
    ]


def _service_level(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    title = f"{record.get('service', '')} – {record.get('indicateur', '')}".strip(" –")
    return title, [f"{title} : {record['engagement']}.", str(record.get("conditions") or "")]


def _policy(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    return f"Politique {record.get('theme', '')}".strip(), [str(line) for line in record["enonce"]]


def _means(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    return str(record["moyen"]), [str(record.get("description") or "")]


# --- clients -----------------------------------------------------------------------------------------------


def _client(record: Mapping[str, Any]) -> Client:
    name = str(record["client"])
    distinctive = [
        word for word in re.findall(r"[\w\-]{4,}", name) if word[:1].isupper() and fold(word) not in _COMMON_NAME_WORDS
    ]
    forms = {name, *distinctive, *(str(other) for other in record.get("autres_noms") or [])}
    alias = str(record.get("designation_publique") or "un client de l'entreprise")
    return Client(name, bool(record["nommable"]), name if record["nommable"] else alias, tuple(sorted(forms)))


def _with_client(document: Document, clients: Sequence[Client]) -> Document:
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


def _day(value: object) -> str:
    if not isinstance(value, dt.date):
        return str(value)
    return f"{'1er' if value.day == 1 else value.day} {MONTHS[value.month - 1]} {value.year}"


def _month(value: object) -> str:
    return f"{MONTHS[value.month - 1]} {value.year}" if isinstance(value, dt.date) else str(value or "")

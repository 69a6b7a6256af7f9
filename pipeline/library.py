"""The firm's library: past responses, component sheets, firm facts -> Documents that know what they may prove.

Kind follows content: a Markdown sheet whose front matter names an SPDX licence is a component; a YAML list is firm
facts; any other readable document is a past response. Formats are described in corpus/README.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.clients import Client, client_of, with_client
from pipeline.errors import DocumentError
from pipeline.french import french_date, join_french
from pipeline.readers import SUPPORTED, read, read_each
from pipeline.readers.text import decode, read_markdown
from pipeline.records import Block, Document, Passage

FACTS = (".yaml", ".yml")
"""Files of firm facts."""
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n(.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Library:
    """Everything the firm may draw on, with what could not be read."""

    documents: tuple[Document, ...] = ()
    clients: tuple[Client, ...] = ()
    unread: tuple[str, ...] = ()
    """One French line a file that was passed over, with its reason."""


def read_library(folders: Sequence[Path], today: dt.date) -> Library:
    """Read every file under ``folders``. ``today`` tells which certificates have expired. A file that cannot be read
    is named in ``unread`` and the others go on."""
    facts = read_facts(folders, today)
    outcomes = read_each(library_files(folders), read_entry)
    documents = [with_client(outcome.document, facts.clients) for outcome in outcomes if outcome.document]
    unread = [outcome.remark for outcome in outcomes if outcome.remark]
    return Library((*documents, *facts.documents.values()), facts.clients, (*unread, *facts.unread))


@dataclass(frozen=True)
class Facts:
    """What the YAML files say."""

    documents: Mapping[Path, Document]
    records: Mapping[Path, Sequence[Mapping[str, Any]]]
    """The same, as the fields were written."""
    clients: tuple[Client, ...]
    unread: tuple[str, ...]


def read_facts(folders: Sequence[Path], today: dt.date) -> Facts:
    """Only the firm facts and the clients they name: the YAML files, quickly. Errors are told, as in a library."""
    documents: dict[Path, Document] = {}
    held: dict[Path, Sequence[Mapping[str, Any]]] = {}
    unread: list[str] = []
    references: list[Mapping[str, Any]] = []
    for path in _files(folders):
        if path.suffix.lower() in FACTS:
            try:
                records = _yaml_list(path)
                documents[path], held[path] = _facts(path, records, today), records
            except DocumentError as error:
                unread.append(str(error))
                continue
            references += [record for record in records if "client" in record and "nommable" in record]
    return Facts(documents, held, tuple(client_of(record) for record in references), tuple(unread))


def library_files(folders: Sequence[Path]) -> list[Path]:
    """Every file that is not firm facts, sorted. Raises DocumentError where a folder is not there."""
    return [path for path in _files(folders) if path.suffix.lower() not in FACTS]


def read_entry(path: Path) -> Document:
    """A component sheet or a past response. Raises DocumentError."""
    if path.suffix.lower() not in SUPPORTED:
        raise DocumentError(
            f"Format « {path.suffix or 'sans extension'} » non pris en charge, fichier ignoré",
            where=path,
            remedy=f"Formats lus : {', '.join((*SUPPORTED, *FACTS))}.",
        )
    sheet = _sheet(path) if path.suffix.lower() == ".md" else None
    return sheet or read(path, "response")


def notice(passage: Passage, today: dt.date, stale_months: int) -> str | None:
    """Why a passage is no proof, or an old one, on ``today``: a French line, or ``None``.

    A certificate is no proof after its last day. A component sheet is to be checked again when its facts are older
    than ``stale_months``.
    """
    if passage.until is not None and passage.until < today.isoformat():
        return f"expiré le {french_date(passage.until)} : ne prouve plus rien"
    if passage.kind == "component" and passage.date:
        year, month = (int(part) for part in f"{passage.date}-12".split("-")[:2])
        if (today.year - year) * 12 + today.month - month > stale_months:
            return f"faits de {french_date(f'{year}-{month}')}, de plus de {stale_months} mois : à vérifier"
    return None


def _files(folders: Sequence[Path]) -> list[Path]:
    found: set[Path] = set()
    for folder in folders:
        if folder.is_file():
            found.add(folder)
        elif not folder.is_dir():
            raise DocumentError("Dossier introuvable", where=folder, remedy="Vérifiez le chemin de la bibliothèque.")
        for path in folder.rglob("*"):
            if path.is_file() and not any(part.startswith((".", "~")) for part in path.relative_to(folder).parts):
                found.add(path)
    return sorted(found)


# --- component sheets --------------------------------------------------------------------------------------


def sheet_fields(path: Path) -> tuple[dict[str, Any], bytes, str] | None:
    """Front matter, whole file and body of a component sheet; ``None`` for any other Markdown file."""
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
    return (fields, data, match[2]) if isinstance(fields, dict) and "spdx" in fields else None


def _sheet(path: Path) -> Document | None:
    """A component sheet, or ``None`` for any other Markdown file."""
    found = sheet_fields(path)
    if found is None:
        return None
    fields, data, text = found
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
    body, _ = read_markdown(text.encode(), str(path))
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
        title, lines = fact(record, today)
        blocks.append(Block(kind="heading", text=title, page=1, level=1))
        until = record.get("valable_jusqu_au")
        if until is not None and not isinstance(until, dt.date):
            raise DocumentError(
                f"« valable_jusqu_au: {until} » n'est pas une date", where=path, remedy="Écrivez-la AAAA-MM-JJ."
            )
        end = until.isoformat() if until else None
        blocks += [Block(kind="paragraph", text=line, page=1, until=end) for line in lines if line]
    return Document(
        name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        kind="firm",
        pages=1,
        blocks=tuple(blocks),
    )


def fact(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    """Title and sentences of one record, by the fields it has."""
    forms: tuple[tuple[str, Callable[[Mapping[str, Any], dt.date], tuple[str, list[str]]]], ...] = (
        ("valable_jusqu_au", _certificate),
        ("nommable", _reference),
        ("effectif", _team),
        ("engagement", _service_level),
        ("enonce", _policy),
        ("parade", _risk),
        ("realise", _responsibility),
        ("duree_mois", _stage),
        ("moyen", _means),
        ("reponse", _answer),
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
    theme = str(record.get("theme", ""))
    title = theme[:1].upper() + theme[1:] if theme.startswith("feuille de route") else f"Politique {theme}".strip()
    return title, [str(line) for line in record["enonce"]]


def _risk(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    return f"Risque : {record.get('risque', '')}", [str(record["parade"])]


def _responsibility(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    roles = (("Réalise", "realise"), ("Approuve", "approuve"), ("Consulté", "consulte"), ("Informé", "informe"))
    cells = [f"{name} : {record[key]}" for name, key in roles if record.get(key)]
    activity = str(record.get("activite", ""))
    return f"Responsabilités : {activity}", [f"Activité : {activity} ; {' ; '.join(cells)}"]


def stage_months(record: Mapping[str, Any]) -> tuple[int, int]:
    """First and last month of a stage of a calendar, counted from 1 at the notification."""
    first = int(record.get("debut_mois", 1))
    return first, first + int(record["duree_mois"]) - 1


def _stage(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    first, last = stage_months(record)
    span = f"mois {first} à {last}" if last > first else f"mois {first}"
    return f"Calendrier : {record.get('etape', '')}", [
        f"Étape : {record.get('etape', '')} ; Période : {span} ; Jalon : {record.get('jalon', '')}"
    ]


def _means(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    return str(record["moyen"]), [str(record.get("description") or "")]


def _answer(record: Mapping[str, Any], today: dt.date) -> tuple[str, list[str]]:
    """What a person answered to a question of a draft; the title says who and when, so that a citation does."""
    said = ", ".join(part for part in (str(record.get("par") or ""), _day(record.get("date") or "")) if part)
    return f"{record.get('question', '')}{f' (réponse de {said})' if said else ''}", [str(record["reponse"])]


def _day(value: object) -> str:
    return french_date(value.isoformat()) if isinstance(value, dt.date) else str(value)


def _month(value: object) -> str:
    return french_date(f"{value:%Y-%m}") if isinstance(value, dt.date) else str(value or "")

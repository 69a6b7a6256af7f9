"""What the buyer allows of files besides their pattern: length and characters of names, formats, sizes, folders."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.french import NUMBER_WORDS, fold, sentences
from pipeline.pack.kinds import plain

THING = re.compile(r"\b(?:fichier|document|piece|livrable|dossier)s?\b|\bnommage\b")
_NAME = re.compile(r"\bnoms?\b|nommage|\bnomm|libelle|intitule|denomin")
_LENGTH = re.compile(
    r"(?P<less>moins de |inferieure?s? a )?(?<![\d.])(?P<n>\d{1,3}|" + "|".join(NUMBER_WORDS) + r")"
    r"(?:\s*\(\s*\d+\s*\))?\s*(?:caracteres|signes)\b"
)
_REFUSING = re.compile(r"\bsans\b|\bni\b|\bpas\b|\bexclu|\bproscri|\binterdi|\bevit|\baucun")
_REFUSED = (
    ("accents", re.compile(r"\baccent")),
    ("spaces", re.compile(r"\bespaces?\b|\bblancs?\b")),
    ("special", re.compile(r"\bcaracteres? speci|\bspeciaux\b|\bponctuation\b")),
)
_FORMATS = re.compile(
    r"\b(?:formats?|extensions?)\b.{0,60}(?:accept|admis|autoris|suivants?\b|exig|impos)"
    r"|(?:accept|admis|autoris).{0,40}\bformats?\b|^formats?(?: des fichiers| de fichiers?)?\s*:"
)
_NOT_FORMATS = re.compile(
    r"permettant de (?:lire|decompresser)|disposer d|dossier de (?:la )?consultation|\bdce\b|telecharg|\b[pxc]ades\b"
    r"|signature|de preference|preconis|refuse|proscri|interdi"
)
_WRITTEN = (
    ("pdf", "pdf"), ("docx", "docx"), ("doc", "doc"), ("word", "docx doc"), ("xlsx", "xlsx"), ("xls", "xls"),
    ("excel", "xlsx xls"), ("odt", "odt"), ("ods", "ods"), ("odp", "odp"), ("opendocument", "odt ods odp"),
    ("rtf", "rtf"), ("pptx", "pptx"), ("ppt", "ppt"), ("png", "png"), ("jpe?g", "jpg jpeg"), ("gif", "gif"),
    ("dwg", "dwg"), ("dxf", "dxf"), ("zip", "zip"), ("txt", "txt"), ("csv", "csv"),
)  # fmt: skip
_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*(mo|go)\b")
_OF_A_FILE = re.compile(r"\b(?:chaque|par|un|d.un) (?:fichier|document|piece)|taille (?:maximale )?des fichiers")
_SIZE_LIMIT = re.compile(r"depass|maxim|limit|exced|superieur|au plus|moins de|taille|poids")
_FOLDERS = re.compile(r"\b(?:sous-)?(?:dossiers?|repertoires?|fichiers? zip|archives?)\b")


def limits_said(quote: str) -> Iterator[tuple[str, object]]:
    """``(field of NamingRule, value)`` for each limit a statement sets."""
    yield from _names(quote)
    yield from _accepted(quote)
    yield from _sizes(quote)


def _names(quote: str) -> Iterator[tuple[str, object]]:
    """The length of names and what may not stand in them."""
    for sentence in sentences(quote):
        folded = fold(sentence)
        if not _NAME.search(folded) or not (THING.search(folded) or re.search(r"\bnoms?\b", folded)):
            continue
        match = _LENGTH.search(folded)
        if match and not re.search(r"\bpolice\b|\btaille de\b|\bcorps\b", folded):
            number = int(match["n"]) if match["n"].isdigit() else NUMBER_WORDS[match["n"]]
            yield "max_chars", number - bool(match["less"])
            yield "with_extension", not re.search(r"hors extension|sans (?:compter )?l.extension", folded)
        refused = tuple(name for name, pattern in _REFUSED if pattern.search(folded))
        if refused and _REFUSING.search(folded):
            yield "refused", refused


def _accepted(quote: str) -> Iterator[tuple[str, object]]:
    """The formats of files accepted, and the folders asked for."""
    folded = fold(quote)
    if _FORMATS.search(folded):
        kept = " ".join(fold(sentence) for sentence in sentences(quote) if not _NOT_FORMATS.search(fold(sentence)))
        found = [e for word, extensions in _WRITTEN if re.search(rf"\b{word}\b", kept) for e in extensions.split()]
        if len(found) > 1:
            yield "formats", tuple(dict.fromkeys(found))
    folders = re.findall(r"[«\"]\s*(?:\d\s*[-–_.]\s*)?(candidatures?|offres?)\s*[»\"]", plain(quote), re.IGNORECASE)
    if len({word.lower().rstrip("s") for word in folders}) == 2 and _FOLDERS.search(folded):
        yield "folders", tuple(dict.fromkeys(folders))


def _sizes(quote: str) -> Iterator[tuple[str, object]]:
    """The most megabytes of a file or of the whole."""
    for sentence in sentences(quote):
        folded = fold(sentence)
        match = _SIZE.search(folded)
        if match and _SIZE_LIMIT.search(folded) and re.search(r"fichier|document|pli\b|depot|envoi|dossier", folded):
            size = float(match[1].replace(",", ".")) * (1000 if match[2] == "go" else 1)
            yield ("max_file_mb" if _OF_A_FILE.search(folded) else "max_pack_mb"), size

"""What blocks nothing and must be known before handing in: gaps left, sections not drafted, formats, sizes, pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pipeline.french import fold, typeset
from pipeline.pack import Given
from pipeline.pack.names import Bidder, Namer
from pipeline.pack.wanted import MEMOIRE, kinds_of
from pipeline.pages import page_limit, pages_said
from pipeline.records import NamingRule, PackFile, Tender

_UNFINISHED = re.compile(r"\[À (?P<what>COMPLÉTER|RÉDIGER)\b")
_ASSISTED = "avec l'aide d'un modele de langage"
"""Folded words of the notice that drafted documents bear until a person has validated them."""


def remarks(
    tender: Tender,
    rule: NamingRule,
    files: Sequence[Given],
    checked: Sequence[PackFile],
    namer: Namer,
    bidder: Bidder,
) -> list[str]:
    """French lines; the same thing of several files is said once."""
    found: list[str] = []
    if not bidder.name and any("candidat" in part.lower() for pattern in rule.patterns for part in pattern.parts):
        found.append("Nom du candidat inconnu : donnez-le avec --candidate ; « CANDIDAT » tient sa place.")
    if not bidder.lot and any(part.lower() == "{lot}" for pattern in rule.patterns for part in pattern.parts):
        found.append("Numéro de lot inconnu : donnez-le avec --lot ; il manque dans les noms.")
    said: dict[str, list[str]] = {}
    for file, one in sorted(zip(files, checked, strict=True), key=lambda pair: pair[1].name):
        for line in _file_remarks(tender, rule, file, one, namer):
            said.setdefault(line, []).append(one.name)
    found += [f"{', '.join(names)} : {line}" for line, names in said.items()]
    total = sum(one.bytes for one in checked)
    if rule.max_pack_mb and total > rule.max_pack_mb * 1e6:
        found.append(f"Le pli fait {_mb(total)}, plus que les {rule.max_pack_mb:g} Mo admis.")
    memoire = [one for file, one in zip(files, checked, strict=True) if MEMOIRE in {k.name for k in kinds_of(file)}]
    asked = [said for said in tender.format_rules if re.search(r"memoire.*\bpdf\b", fold(said))]
    if asked and memoire and not any(one.name.endswith(".pdf") for one in memoire):
        found.append(f"Le mémoire n'est pas en PDF, que l'acheteur demande : « {asked[0].rstrip(' ;.')} ».")
    return [typeset(line) for line in found]


def _file_remarks(tender: Tender, rule: NamingRule, file: Given, one: PackFile, namer: Namer) -> list[str]:
    found = []
    extension = file.extension.lstrip(".")
    if rule.formats and extension not in rule.formats:
        found.append(f"format « {extension} » non admis ; admis : {', '.join(rule.formats)}.")
    if rule.max_file_mb and one.bytes > rule.max_file_mb * 1e6:
        found.append(f"{_mb(one.bytes)}, plus que les {rule.max_file_mb:g} Mo admis par fichier.")
    if not namer.fits(one.name.rpartition("/")[2]):
        found.append(f"nom plus long que les {rule.max_chars} caractères admis.")
    if not one.piece:
        found.append("ne répond à aucune pièce demandée ; joint tel quel.")
    if file.text is None and extension in ("pdf", "docx", "odt"):
        found.append("texte illisible (protégé, ou image) : ni date ni contenu vérifiés.")
    marks = Counter(match["what"] for match in _UNFINISHED.finditer(file.text or ""))
    if marks["COMPLÉTER"]:
        found.append(f"{marks['COMPLÉTER']} passages [À COMPLÉTER].")
    if marks["RÉDIGER"]:
        found.append(f"{marks['RÉDIGER']} sections non rédigées.")
    if _ASSISTED in fold(file.text or ""):
        found.append("la mention de rédaction assistée y est encore : retirez-la après relecture.")
    memoire = any(kind.name == MEMOIRE for kind in kinds_of(file))
    limit = pages_said(one.piece) or (page_limit(tender) if memoire else None)
    if limit and one.pages is None:
        found.append(f"pages non comptées dans ce format : l'acheteur en admet {limit}.")
    elif limit and one.pages and one.pages > limit:
        found.append(f"{one.pages} pages, couverture et sommaire compris, pour {limit} admises.")
    return found


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} Mo".replace(".", ",")

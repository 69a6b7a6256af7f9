"""The pieces to hand in, and the rules of form: language, pages, names of files, formats, signature, platform."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Block, Document

_PIECES_TITLE = re.compile(
    r"^(?:article\s+)?(?:[\divx.]*|[a-z])\s*[.)–-]?\s*(?:l.|la |les |sous-dossier |dossier )?[« ]*"
    r"(?:offres?|candidatures?|plis?)(?: \([^)]*\)|[ »]*)?$"
    r"|\b(?:pieces?|elements?|documents?|contenu|presentation|composition|dossier|justificatifs?|constitution)\b.{0,40}"
    r"\b(?:offres?|candidatures?|plis?|propositions?|candidats?|remettre|fournir|produire)\b|situation juridique"
    r"|\bcapacites?\b|\bprojet de marche\b|\bau titre de (?:la candidature|l.offre)"
)
_PIECES_LEAD = re.compile(
    r"^pour (?:l.offre|la candidature|chaque)\b.*:$|\b(?:dossier|pli|offre)\b.{0,40}\b(?:contien|"
    r"compren|compos|comport)\w*\b.{0,80}:$"
    r"|\b(?:pieces|documents|elements|renseignements|justificatifs)\b.{0,60}(?:suivant|ci-(?:dessous|apres))"
    r"|\b(?:produi|fourni|remett|transmett|compren|contien)\w*\b.{0,80}:$"
)
_OTHER_TITLE = re.compile(
    r"negoci|jugement|examen|selection|attributaire|retenu|validite|memoire|dossier de (?:la )?consultation|\bdce\b"
    r"|recevab|modalites|demat"
)
_OTHER_LEAD = re.compile(
    r"precisera|permet|dispense|obtenir|memoire|note (?:technique|methodologique)|criteres?|retenu|attributaire|format"
    r"|copie de sauvegarde|dossier de (?:la )?consultation|nomme|invitation"
)
_CODED = re.compile(r"^(?P<number>\d{1,2}(?:\.\d{1,2})+)\.?\s*[–—\-:]?\s+(?P<title>[A-ZÀ-Þ].*[^.:;])$")
_PIECE_CODE = re.compile(r"^[A-Z]{1,4}[\s\-]?\d{1,2}\s*[–—\-:.]\s*(?P<title>\S.*[^:])$")
_NUMBERED_PIECE = re.compile(r"^(?:\d{1,2}(?:\.\d{1,2})?|[a-z]|[A-Z](?=\s?\)))\s?[.)°–-]\s+(?P<title>\S.*)$")
_INLINE = re.compile(
    r"^(?:le pli|l.offre|le dossier)[^.:]{0,40}(?:contient|comprend|est constitu\w+)[^.:]{0,30}:\s*(?P<list>[^:]+)$",
    re.IGNORECASE,
)
_NOT_PIECES = re.compile(
    r"^(?:beneficier|d.attester|d.un (?:systeme|espace))|nommes de la"
    r"|\b(?:irrecevab|elimin|note sur|sera note|critere|formule)"
)
_FORM = re.compile(
    r"langue francaise|\blangue\b|francais\b|\bmo\b|formats? acceptes|\bpdf\b|\bxlsx?\b|\bword\b|"
    r"\barial\b|\bcorps\b|signature|\bsignes?\b"
    r"|plateforme|plate-forme|profil d.acheteur|profil acheteur|demat|\bpages\b|\bfichiers?\b|par courriel|copie"
    r"|\ben francais\b|\beuros?\b.{0,20}\bexprim|exprim\w+ en euros?"
    r"|\b\d+\s*(?:\([^)]*\)\s*)?pages?\b|\brecto\b|\bformat\s+a4\b|\bpolice\b|\binterligne"
    r"|\bcaracteres\b|\bnomm(?:e|es|er|age)\b|libelles? de fichier|intitules? de fichier|denomination des fichiers"
    r"|\bformats? (?:pdf|de fichier|suivants|bureautique|acceptes|excel|word)|\.pdf\b|\.docx?\b|\.xlsx?\b"
    r"|signature electronique|signes? electroniquement|copie de sauvegarde|voie electronique"
    r"|(?:exclusivement|uniquement|obligatoirement).{0,60}(?:profil|plateforme|plate-forme|adresse)"
    r"|(?:profil|plateforme|plate-forme).{0,60}(?:exclusivement|uniquement)|\b\d+\s*mo\b"
)


def read_pieces(documents: Sequence[Document]) -> tuple[str, ...]:
    """Documents to hand in with the application or the offer, as the RC lists them: items, numbered lines or rows of a
    table, under a heading that announces them or after a sentence that does."""
    found: dict[str, str] = {}
    for document in documents:
        inside = listing = False
        number, skipped = "", 0
        for block, following in zip(document.blocks, [*document.blocks[1:], None], strict=False):
            folded = fold(block.text)
            coded = _CODED.match(block.text) if inside and len(block.text) < 110 else None
            bare = following is None or bool(_CODED.match(following.text)) or following.kind == "heading"
            if coded and bare and not coded["title"].isupper() and coded["number"].startswith(number or "\0"):
                _keep(found, coded["title"])
            elif block.kind == "heading" or _is_title(block):
                own = re.match(r"^(?:article\s+)?(\d+(?:\.\d+)*)", folded)
                number = f"{own[1]}." if own else ""
                inside = listing = bool(_PIECES_TITLE.search(folded)) and not _OTHER_TITLE.search(folded)
            elif block.kind == "table" and inside:
                for row in block.rows[1:] if _is_header(block) else block.rows:
                    cells = [cell for cell in row if cell.strip() and not re.fullmatch(r"\W*[\dA-Z]{1,3}\W*", cell)]
                    lists = [cell for cell in cells if "\n" in cell and re.match(r"\s*[•●▪■➢–—-]", cell)]
                    for entry in lists[0].split("\n") if lists else cells[:1]:
                        _keep(found, re.sub(r"^\s*[•●▪■➢–—-]\s*", "", entry))
            elif block.kind == "paragraph":
                numbered = _NUMBERED_PIECE.match(block.text) or _PIECE_CODE.match(block.text)
                inline = _INLINE.match(block.text) if inside else None
                if numbered and listing and len(block.text) < 300:
                    _keep(found, numbered["title"])
                elif inline:
                    for item in re.split(r",\s+|\s+et\s+(?=l[ea']|les|un)", inline["list"].rstrip(" .")):
                        _keep(found, item)
                elif folded.endswith(":"):
                    announced = _PIECES_LEAD.search(folded) and re.search(r"offre|candida|membre|soumissionn", folded)
                    listing = bool(inside or announced) and not _OTHER_LEAD.search(folded)
                else:
                    listing = listing and inside
            elif block.kind == "item" and listing and skipped and block.level > skipped:
                continue  # what the mémoire must hold
            elif block.kind == "item" and listing and not _NOT_PIECES.search(folded):
                skipped = block.level if folded.endswith(":") and "memoire" in folded else 0
                _keep(found, block.text)
    return tuple(found.values())


def _is_title(block: Block) -> bool:
    """A line set as a title without the style of one: « Sous-dossier « offre » »."""
    short = block.kind == "paragraph" and len(block.text) < 70 and block.text.rstrip()[-1:] not in ".:;,"
    return short and bool(_PIECES_TITLE.search(fold(block.text))) and not _NUMBERED_PIECE.match(block.text)


def _is_header(block: Block) -> bool:
    return bool(block.rows) and bool(
        re.search(r"\b(?:intitule|piece|document|designation|libelle|signature)", fold(" ".join(block.rows[0])))
    )


def _keep(found: dict[str, str], text: str) -> None:
    text = re.sub(r"\s*[;,.:]$", "", fold_spaces(text))
    text = re.sub(r"^(?:de\s(?=l['’]|la\s)|d['’](?=un)|du\s|des\s)", "", text)
    if 3 < len(text) < 500:
        found.setdefault(fold(text), text)


def read_format_rules(documents: Sequence[Document]) -> tuple[str, ...]:
    """Sentences of the RC that rule the form of the answer, in order, once each."""
    found: dict[str, str] = {}
    for document in documents:
        for block in document.blocks:
            if block.kind not in ("paragraph", "item"):
                continue
            for sentence in sentences(block.text):
                if _FORM.search(fold(sentence)) and 12 < len(sentence) < 400 and not sentence.endswith(":"):
                    found.setdefault(fold(sentence), fold_spaces(sentence))
    return tuple(found.values())

"""How French buyers name what a frame asks for: roles of columns, what only a person may fill, values of conformity."""

from __future__ import annotations

import re
from typing import Literal

from pipeline.french import fold, fold_spaces
from pipeline.records import FrameKind

Role = Literal["id", "question", "text", "comment", "conformity", "section", "price", "buyer"]
"""What a column holds; « buyer » is what the buyer fills: quantities, weights, marks."""

LEADER = re.compile(r"[.…_‥·]{5,}|…[.…‥]+|_{3,}|(?:[.…_·]\s){4,}[.…_·]")
"""Dots, ellipses or underscores to write over; « … » alone and « etc... » are punctuation."""
MAX_HEADER = 160
"""Characters of a column's heading; longer cells are contents."""

FORM_WORDS = 12
"""Words of a form's label; a requirement that speaks of electronic signatures has more."""

_ROLES: tuple[tuple[Role, str], ...] = (
    (
        "buyer",
        r"reserve|evaluation|^notes?\b|notation|\bbareme|appreciation|analyse d|ponderation|^poids|priorite|criticite"
        r"|quantite|^qte|^unites?\b|^niveau d.exigence|caractere|obligatoire|imperati|optionnel|^lots?\b|^statut de l",
    ),
    (
        "section",
        r"(?:ref|renvoi|page|section|chapitre|paragraphe|§|localisation|emplacement).{0,60}"
        r"(?:memoire|offre|reponse|proposition|dossier technique)|^(?:renvoi|pages?|sections?|chapitres?)(?: n°)?$",
    ),
    (
        "conformity",
        r"conform|\bo ?/ ?n\b|\boui ?/ ?non|\bc ?/ ?(?:nc|p)\b|\bcouvert|couverture|respecte|satisfait"
        r"|prise? en compte \(|engagement \(",
    ),
    (
        "price",
        r"\bprix|montant|tarif|\bcouts?\b|€|\bht\b|\bttc\b|\btva\b|h\.t\.|t\.t\.c|t\.v\.a|(?<!de )remises?(?! d)|rabais"
        r"|coefficient"
        r"|\btaux (?:horaire|journalier|de)|\btjm\b|demi.journee|forfait|^total",
    ),
    ("comment", r"^(?:\w+ )?(?:commentaire|observation|remarque)"),
    (
        "text",
        r"repons|justificati|precisions?\b|modalites? (?:proposees|de mise)|solution proposee|proposition d"
        r"|offre du|commentaire|observation|remarque|a (?:completer|renseigner|remplir) par",
    ),
    ("id", r"^(?:n°?|num(?:ero)?|ref(?:erence)?|id(?:entifiant)?|code|articles?|index|#)\b.{0,30}$|^n°"),
    (
        "question",
        r"exigence|besoin|libelle|designation|description|intitule|question|prestation|fonctionnalite|specification"
        r"|critere|caracteristique|demande|attendu|\bpoints?\b|theme|element|objet|type|profil|poste|unite d.oeuvre"
        r"|rubrique|sujet|enonce|information|clause|domaine|categorie",
    ),
)

_SIGNATURE = re.compile(
    r"\bsignatu|\bsignataire|cachet|tampon|paraphe|lu et approuve|^(?:fait )?a$|^fait (?:a|le)\b|^,? ?le$|^date$|\ble$"
    r"|date/|lieu et date|mention.{0,4} manuscrite"
)
_BANK = re.compile(r"\b(?:iban|bic|rib|swift)\b|bancaire|domiciliation|compte (?:a crediter|bancaire)|\bcompte ouvert")
_MONEY = re.compile(
    r"\bprix\b|\bmontants?\b|\btarifs?\b|€|\beuros?\b|\bht\b|\bttc\b|h\.t\.|t\.t\.c|\brabais\b"
    r"|\bremises? (?:consentie|commerciale|accordee|tarifaire|sur|en %|\(|de \d)"
    r"|\btaux (?:horaire|journalier|de (?:la )?(?:tva|remise|marge|change|rabais|penalite))|\btva\b(?! intra)"
    r"|\bcoefficient|% de remise|chiffres? d.affaires|\bpourcentage|interets moratoires|\bcapital\b"
)
_OTHERS = re.compile(
    r"sous-?\s?traitan|co-?\s?traitan|mandataire|acheteur|pouvoir adjudicateur|comptable|creanc|cession|nantissement"
    r"|mise au point|acceptation de l.offre|notification|reserve (?:a |au )|administration|maitre d.ouvrage"
)
_OWN = re.compile(r"candidat|soumissionnaire|titulaire|contractant|entreprise|societe|fournisseur|prestataire")
_ANSWER = re.compile(
    r"\brepons|a (?:completer|renseigner|remplir|preciser|detailler|decrire)\b|\b(?:indiquer|preciser|decrire|detailler"
    r"|presenter|expliquer|expliciter|exposer|renseigner|completer|joindre|lister)\b|commentaires? d"
    r"|observations? d|recapitulatif"
    r"|\?$"
)
_BARE_ANSWER = re.compile(
    r"^(?:votre |la |vos )?(?:reponses?|commentaires?|observations?)(?: (?:du|de la|des) [\w ’'/-]{3,40})?(?: \(.*\))?$"
)
_GUIDANCE = re.compile(
    r"\b(?:candidat|soumissionnaire|titulaire|entreprise|societe|prestataire)s?\b.{0,60}"
    r"\b(?:decri|precis|present|indiqu|detaill|expos|expli|propos|joind|fourni|renseign|complet|repon)"
    r"|^(?:decri|precis|present|indiqu|detaill|expos|expliq|renseign|complet|merci de|veuillez)"
)
_PROMPT = re.compile(
    r"^\W*(?:(?:zone|partie|champ|texte|reponse|cellule)s? )?(?:a (?:completer|renseigner|remplir)"
    r"(?: par (?:le |la |l.)?(?:candidat|soumissionnaire|titulaire|societe|entreprise|prestataire)\w*(?:/\w+)?)?"
    r"|(?:saisi\w*|tap\w*|entre[rz]|insere[rz]|indique[rz]|ecri\w+) (?:ici |votre |la |le |du |une? )*"
    r"(?:reponse|texte)\w*(?: ici| du candidat)?|(?:votre |la )?reponse(?: du candidat)? ici"
    r"|cliquez (?:ou appuyez )?ici (?:pour|afin d)\W?.{0,40}|reponse du candidat)\W*$"
)
_UNIT = re.compile(
    r"^(?:%|€|(?:€|euros?) ?(?:h\.?t\.?|t\.?t\.?c\.?)?|h\.?t\.?|t\.?t\.?c\.?|k€|(?:€|%) ?/ ?\w+|% de remise)$"
)
_REFERENCE = re.compile(
    r"^(?P<id>(?:EX|EXI|EXG|EF|ENF|ET|REQ|RQ|R|E|EM|F|Q|C)[\s\-_.]?\d{1,4}(?:[.\-]\d{1,3})*)\s*(?:[–—\-:.)]\s*|\s+|$)"
)
_NUMBER = re.compile(
    r"^(?:(?:chapitre|article|section|partie|§)\s+)?(?P<number>(?:\d{1,2}|[A-Z])(?:\.\d{1,2})*|[IVX]{1,5})"
    r"\s*[.)–—:\-]*\s+(?P<title>\D.*)$",
    re.IGNORECASE,
)

YES = (
    "conforme", "oui", "o", "c", "yes", "ok", "x", "totalement conforme", "pleinement conforme", "entierement conforme",
    "conforme totalement", "couvert", "totalement couvert", "respecte", "respectee", "satisfait", "satisfaite", "total",
    "totale", "conformite totale",
)  # fmt: skip
"""Values that claim the whole, folded. Nothing else is ever written as conform."""
_NO = ("non", "n", "nc", "non conforme", "p", "partiel", "partielle", "partiellement", "partiellement conforme", "no",
       "pc", "cp", "conforme partiellement", "non couvert", "ko", "sans objet", "so", "s.o.", "na", "n/a",
       "conformite partielle", "non conformite", "conforme avec reserve", "cr", "r")  # fmt: skip
_LEGEND = re.compile(r"(?:^|[\s;,(/«])([A-Za-z]{1,3})\s*(?:[:=–—-]|pour)\s*(?:non\s+|partiellement\s+)?conforme", re.I)


def role(header: str) -> Role | None:
    """What a column holds, by its heading; ``None`` where the heading says nothing we know."""
    text = fold(header)
    if not text or len(text) > MAX_HEADER:
        return None
    return next((name for name, pattern in _ROLES if re.search(pattern, text)), None)


def for_a_person(label: str, after: str = "", heading: str = "") -> tuple[FrameKind, str] | None:
    """Kind and reason where only a person may fill a place: signatures, bank details, amounts. ``after`` is what
    follows the place (« % de remise »), ``heading`` the title it stands under; ``None`` for any other place."""
    own, around, title = fold(label), fold(after), fold(heading)
    bare = own.strip(" :.,;«»*-")
    short = len(bare.split()) <= FORM_WORDS
    if _BANK.match(bare) or (short and _BANK.search(own)):
        return _BANK_DETAILS
    if _SIGNATURE.match(bare) or (short and _SIGNATURE.search(bare)):
        return _SIGNED
    if _MONEY.search(own) or re.match(r"(?:€|%|euros?\b|h\.?t\b|t\.?t\.?c)", around.strip()):
        return "price", "Prix, montant ou taux : à remplir par une personne."
    if _BANK.search(title):
        return _BANK_DETAILS
    return _SIGNED if _SIGNATURE.search(title) else None


_BANK_DETAILS: tuple[FrameKind, str] = ("bank", "Coordonnées bancaires : à remplir par une personne.")
_SIGNED: tuple[FrameKind, str] = ("signature", "Signature, cachet, lieu ou date : à remplir par une personne.")


def of_another(heading: str) -> bool | None:
    """Whether a title announces someone else than the candidate (sub-contractor, buyer, creditor); ``None`` where it
    names nobody."""
    text = fold(heading)
    if _OTHERS.search(text):
        return True
    return False if _OWN.search(text) else None


def asks(label: str) -> bool:
    """Whether a line that ends with a colon wants an answer below it."""
    return bool(_ANSWER.search(fold(label).rstrip(" :.")))


def bare_answer(text: str) -> bool:
    """« Réponse : », « Réponse du candidat : »: the question stands before."""
    return bool(_BARE_ANSWER.match(fold(text).strip(" :.…")))


def guides(text: str) -> bool:
    """Whether a sentence tells the candidate what to write."""
    return bool(_GUIDANCE.search(fold(text)))


def prompt(text: str) -> bool:
    """« À compléter par le candidat », « Cliquez ici pour entrer du texte » and nothing else."""
    return len(text) < 90 and bool(_PROMPT.match(fold(text)))


def unit(text: str) -> bool:
    """A lone unit, which says that the number is still to come: « % », « € HT »."""
    return len(text) < 16 and bool(_UNIT.match(fold(text)))


def reference(text: str) -> str:
    """The number of a requirement that a text begins with: « EX-012 », or nothing."""
    found = _REFERENCE.match(fold_spaces(text))
    return found["id"] if found else ""


def without_reference(text: str) -> str:
    return _REFERENCE.sub("", fold_spaces(text), count=1)


def numbered(text: str) -> tuple[str, str]:
    """Number and title of a heading as typed: « 2.3 », « Moyens humains »; an empty number where it has none."""
    found = _NUMBER.match(fold_spaces(text))
    return (found["number"], found["title"]) if found else ("", fold_spaces(text))


def reference_key(text: str) -> tuple[str, ...]:
    """What makes two spellings of an identifier one: « EX-012 », « EX 12 » and « ex_12 »."""
    return tuple(str(int(part)) if part.isdigit() else part for part in re.findall(r"[a-z]+|\d+", fold(text)))


def options(header: str) -> tuple[str, ...]:
    """The values a heading offers: « Conforme (O/N/P) », « Oui / Non », « C/NC/P »; none where it offers none."""
    for chunk in (*re.findall(r"\(([^()]*)\)", header), *re.findall(r"\b\w{1,3}(?: ?/ ?\w{1,3})+\b", header), header):
        values = tuple(fold_spaces(part) for part in re.split(r"\s*[/|;,]\s*|\s+ou\s+", chunk) if part.strip())
        if len(values) > 1 and any(fold(value) in YES for value in values) and all(_value(value) for value in values):
            return values
    return ()


def legend(text: str) -> tuple[str, ...]:
    """The abbreviation for « conforme » that a legend gives: « C : conforme ; NC : non conforme »."""
    found = [match for match in _LEGEND.finditer(text) if fold(match[0]).rstrip().endswith("conforme")]
    plain = [match[1] for match in found if not re.search(r"non|partiellement", match[0], re.IGNORECASE)]
    return tuple(plain) if len(found) > 1 and len(plain) == 1 else ()


def _value(text: str) -> bool:
    return fold(text) in YES or fold(text) in _NO


def yes(values: tuple[str, ...]) -> str | None:
    """The value that claims the whole; ``None`` where there is none, or more than one."""
    found = [value for value in values if fold(value).strip(" .") in YES]
    return found[0] if len(found) == 1 else None

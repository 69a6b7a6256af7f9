"""What a sentence may claim, and of what time it speaks: decided from its source before anything is written.

| source | may found |
|---|---|
| the buyer's documents | what is asked |
| a component sheet | a dated fact about software |
| a past response, told as done or about that client | experience, with client and date |
| a past response, in the first person without figures | a method |
| a past response that promises | nothing: a promise to one client binds nobody towards another |
| a record of the firm | a commitment |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pipeline.french import fold, in_the_past
from pipeline.records import Claim, SourceKind

Standing = Literal["existing", "developed", "target"]
STANDINGS: tuple[Standing, ...] = ("existing", "developed", "target")
"""In the order a section tells them."""

_PROMISE = re.compile(
    r"\bs'engage\w*|\bengag(?:eons|ement\w*)\b|\bgaranti(?:ssons|r|ra|t|e|es)?\b|\bnous \w+rons\b|\bsera\b|\bseront\b"
)
_OURS = re.compile(r"\b(?:nous|notre|nos)\b")
_DEVELOPED = re.compile(
    r"\bpendant (?:le|la duree du) (?:marche|projet|partenariat)\b"
    r"|\bdans le cadre du (?:present )?(?:marche|partenariat|pi)\b"
    r"|\bau cours du marche|\bnous (?:developperons|concevrons|realiserons|construirons|livrerons)\b"
    r"|\b(?:sera|seront) (?:develop|realis|conc|construi|livr)"
)
_TARGET = re.compile(
    r"\ba terme\b|\bnous visons\b|\bnotre ambition\b|\bcible generalisable\b|\b(?:d'ici|a l'horizon) (?:a )?20\d\d\b"
)
_ASKED: Mapping[Standing, re.Pattern[str]] = {
    "target": re.compile(r"\bcible|\ba terme\b|\bvis[ee]|generalis|futur|trajectoire|perspective"),
    "existing": re.compile(r"exist|en service|en production|disponib|acquis|operationnel|deja"),
    "developed": re.compile(r"developp|pendant le|dans le cadre d|a realiser|constru|prevu|specifique"),
}


def claim_of(text: str, kind: SourceKind) -> Claim | None:
    """What ``text``, from a source of this kind, may found; ``None`` where it founds nothing."""
    if kind != "response":
        by_kind: Mapping[SourceKind, Claim] = {"dce": "asked", "component": "fact", "firm": "commitment"}
        return by_kind[kind]
    said = fold(text)
    if in_the_past(text):
        return "experience"
    if _PROMISE.search(said):
        return None
    if _OURS.search(said):
        return None if re.search(r"\d", said) else "method"
    return "experience"


def standing(text: str) -> Standing:
    """Whether a sentence tells what exists (the default), what the contract will develop, or what is aimed at."""
    said = fold(text)
    if _TARGET.search(said):
        return "target"
    return "developed" if _DEVELOPED.search(said) else "existing"


def labels(distinctions: Sequence[str]) -> dict[Standing, str]:
    """The buyer's distinctions, as printed, by what they mean; those that mean none of the three are left out."""
    found: dict[Standing, str] = {}
    for words in distinctions:
        said = fold(words)
        meant = next((meaning for meaning, pattern in _ASKED.items() if pattern.search(said)), None)
        if meant and meant not in found:
            label = re.sub(r"^(?:de la |de l['’]|du |des |de |la |le |l['’])", "", words.strip(), flags=re.IGNORECASE)
            found[meant] = label[:1].upper() + label[1:]
    return {meaning: found[meaning] for meaning in STANDINGS if meaning in found}

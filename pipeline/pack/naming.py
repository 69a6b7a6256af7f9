"""How the buyer wants the files: their names, their length, their formats and sizes, read from the rules of form.

A buyer writes a name as a template or an example (« LOT1_NOMCANDIDAT_DC1.pdf »), or in words (« le nom du candidat
suivi du numéro du lot »). Both become a :class:`NamePattern`; what is not understood is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.french import fold, fold_spaces, sentences
from pipeline.pack.kinds import is_kind, kinds_in, plain
from pipeline.pack.limits import THING, limits_said
from pipeline.records import Block, Document, NamePattern, NamingRule, Place, Side

_S = r"[\s_.'-]*"
_OF = rf"{_S}(?:du|de{_S}la|de{_S}l|de|des|d)?{_S}"
_WHAT = r"(?:document|piece|fichier|livrable|offre|prestation)s?"
_VARIABLES = tuple(
    (name, re.compile(rf"(?<!\w)[\[<{{]?{_S}(?:{text}){_S}[\]>}}]?(?!\w)", re.IGNORECASE))
    for name, text in (
        ("date", rf"aaaa{_S}mm{_S}jj|jj{_S}mm{_S}aaaa|date(?:{_OF}(?:depot|remise))?|20\d{{6}}"),
        (
            "candidat",
            rf"(?:nom|sigle|denomination|raison{_S}sociale){_OF}(?:candidat|entreprise|societe|soumissionnaire|fournisseur"
            rf"|mandataire|operateur(?:{_S}economique)?|prestataire|titulaire)|raison{_S}sociale",
        ),
        ("reference", rf"(?:n°|numero|ref(?:erence)?s?){_OF}(?:consultation|marche|procedure|accord{_S}cadre)"),
        ("lot", rf"(?:n°|numero){_OF}lot(?:{_S}concerne)?|lot{_S}(?:n°|n|x+|y|\d{{1,2}})"),
        ("numero", rf"(?:n°|numero){_OF}(?:ordre|piece|document|livrable)"),
        ("piece", rf"(?:code|sigle|abreviation){_OF}{_WHAT}"),
        (
            "titre",
            rf"(?:intitule|titre|libelle|designation|nature|type|nom|objet)(?:{_S}abrege|{_S}court)?{_OF}{_WHAT}"
            rf"(?:{_S}concernee?)?|(?:intitule|titre|libelle|designation)(?:{_S}abrege|{_S}court)?|x{{4,}}|a{{5,}}",
        ),
    )
)
_ALONE = {
    "candidat": re.compile(
        r"(?:nom|candidat|entreprise|societe|soumissionnaire|fournisseur|mandataire)", re.IGNORECASE
    ),
    "lot": re.compile(r"lot", re.IGNORECASE),
    "numero": re.compile(r"(?:xx|nn|n°)", re.IGNORECASE),
    "piece": re.compile(r"(?:piece|livrable|code|[a-z]{1,2}\d{1,2})", re.IGNORECASE),
    "titre": re.compile(r"(?:document|note|objet|nature)", re.IGNORECASE),
    "dossier": re.compile(r"(?:candidature|offre)s?", re.IGNORECASE),
}
"""What a word means when it is a part of a name by itself."""

_NAMING = re.compile(
    r"\bnomm(?:e|es|ee|ees|er|ent)\b|\bnommage\b|\bdenomm|\bdenomination|\bappellation|\bidentifiee?s? par\b"
    r"|\b(?:est|sont|sera|seront|etre|unique|soient?) intitule|\bporte\w* (?:un|le) nom\b|\bleurs? noms?\b"
    r"|\b(?:noms?|titres?|intitules?|libelles?) d(?:e|es|u) (?:chaque |tous les |leurs? )?(?:fichier|document|piece)"
    r"|\bun nom court\b"
)
_EXTENSION = re.compile(r"\.(?:pdf|docx?|xlsx?|zip|od[ts]|pptx?)\b", re.IGNORECASE)
_BREAK = re.compile(r"[:;«»\"“”()`]|,\s|\.\s|\.$|…|\betc\b|\bou\b")
_TOKEN = re.compile(r"(?:\[[^\]]*\]|<[^>]*>|\{[^}]*\}|\w+)(?:-(?:\[[^\]]*\]|<[^>]*>|\{[^}]*\}|\w+))+")
_LINK = re.compile(
    r"(?:\s|[,_–—+-]|\([^()]*\)|\b(?:suivie?s?|puis|et|de|du|des|la|le|les|l'|d'|avec|un|une|tiret|bas|underscore"
    r"|par|separee?s?|enfin|ensuite)(?:\b|(?<=')))*",
    re.IGNORECASE,
)
_SCOPE = re.compile(
    r"\b(?:documents?|pieces?|fichiers?)\b.{0,20}\b(?:relati\w+ a|de|du dossier de|composant) "
    r"l?\W?(?:a |e dossier de )?(?P<side>candidature|offre)\b"
)
MOST = 500
"""Characters of a rule kept with what follows it in its paragraph: an example, the values of a term."""


def read_naming(documents: Sequence[Document], rules: Sequence[str] = ()) -> NamingRule:
    """The rule of the files. ``rules`` are those of consultation.yaml, which a person corrects and which come first;
    then the documents are read, in their order. The first place that says a thing is believed."""
    said = [*_located(rules, documents), *(place for document in documents for place in _statements(document))]
    places: list[Place] = []
    found: dict[str, object] = {}
    patterns: dict[tuple[str, ...], NamePattern] = {}
    values: dict[str, None] = {}
    for place in said:
        if _NAMING.search(fold(place.quote)) and THING.search(fold(place.quote)):
            pattern, words = _pattern(place)
            values.update(dict.fromkeys(words))
            if pattern:
                patterns.setdefault((pattern.scope,), pattern)
        for name, value in limits_said(place.quote):
            if name not in found:
                found[name] = value
                places.append(place)
    return NamingRule.model_validate(
        {
            **found,
            "patterns": tuple(patterns.values()),
            "values": tuple(values),
            "places": tuple(dict.fromkeys((*(p.place for p in patterns.values()), *places))),
        }
    )


def _located(rules: Sequence[str], documents: Sequence[Document]) -> list[Place]:
    """Rules of consultation.yaml that stand in no document: a person wrote them."""
    known = fold(" ".join(document.text for document in documents))
    return [Place(document="consultation.yaml", page=None, quote=rule) for rule in rules if fold(rule) not in known]


def _statements(document: Document) -> Iterator[Place]:
    """What may rule the files: each sentence; from a sentence on names, the rest of its paragraph; after « : », the
    list that follows; rows of tables."""
    blocks = [block for block in document.blocks if block.kind != "toc"]
    for position, block in enumerate(blocks):
        if block.kind == "table":
            for row in block.rows:
                yield Place(document=document.name, page=block.page, quote=fold_spaces(" : ".join(row)))
            continue
        for text in _with_rest(block.text):
            listed = _listed(blocks[position + 1 :]) if text.rstrip().endswith(":") else ""
            quote = fold_spaces(f"{text} {listed}")
            yield Place(document=document.name, page=block.page, quote=quote)


def _with_rest(text: str) -> Iterator[str]:
    split = sentences(text)
    for position, sentence in enumerate(split):
        if _NAMING.search(fold(sentence)):
            yield " ".join(split[position:])[:MOST]
            return
        yield sentence


def _listed(blocks: Sequence[Block]) -> str:
    """The items after an announcement, or the single short line."""
    items = []
    for block in blocks:
        if block.kind != "item" or len(block.text) > 160:
            break
        items.append(block.text.rstrip(" ;,."))
    if not items and blocks and blocks[0].kind == "paragraph" and len(blocks[0].text) < 80:
        items = [blocks[0].text]
    return ", ".join(items)


# --- the pattern -------------------------------------------------------------------------------------------


def _pattern(place: Place) -> tuple[NamePattern | None, list[str]]:
    """The pattern a statement gives, and the buyer's words for pieces in it."""
    text = plain(place.quote)
    written = [found for segment in _segments(text) if (found := _template(segment))]
    spoken = _spoken(text)
    values = [word for _, _, own in written for word in own]
    values += [word for word in re.findall(r"\b[A-Z][A-Z0-9]+\b", text) if is_kind(word)]
    if spoken and (not written or _variables(spoken[0]) > max(_variables(parts) for parts, _, _ in written)):
        parts, separator = spoken
    elif written:
        first = max(written, key=lambda found: _variables(found[0]))
        separator = first[1]
        parts = _merged(first[0], [parts for parts, _, _ in written if len(parts) == len(first[0])])
    else:
        return None, values
    if re.search(r"numero (?:du|de) lot", fold(place.quote)) and "{lot}" not in [part.lower() for part in parts]:
        parts = ["{lot}" if part.lower() == "{piece}" else part for part in parts]  # « L1 » is the first lot
    match = _SCOPE.search(fold(place.quote))
    scope: Side = "" if match is None else "candidature" if match["side"] == "candidature" else "offre"
    return NamePattern(parts=tuple(parts), separator=separator, scope=scope, place=place), values


def _variables(parts: Sequence[str]) -> int:
    return sum(part.startswith("{") for part in parts)


def _segments(text: str) -> Iterator[str]:
    """The pieces of a statement that may be a name: between punctuation, without the extension."""
    for segment in _BREAK.split(_EXTENSION.sub(" ; ", text)):
        if segment.strip():
            yield segment.strip()


def _template(segment: str) -> tuple[list[str], str, list[str]] | None:
    """``(parts, separator, values)`` of a template or an example; ``None`` where the segment is none."""
    token = _TOKEN.search(segment)
    if "_" in segment:
        raw, separator, least = re.split(r"\s*_\s*(?![^\[<{]*[\]>}])", segment), "_", 1
    elif re.search(r"\s[–—+-]\s", segment):
        raw, least = re.split(r"\s+[–—+-]\s+", segment), 2
        separator = "_" if " + " in segment else "-"
    elif token:
        raw, separator, least = re.split(r"-(?![^\[<{]*[\]>}])", token[0]), "-", 2
    else:
        return None
    if len(raw) < 2:
        return None
    raw = [_end_of(raw[0]), *raw[1:-1], _start_of(raw[-1])]
    values: list[str] = []
    parts: list[str] = []
    for position, text in enumerate(raw):
        part = _part(text, values)
        if part is None:
            return None
        if position == 0 and re.fullmatch(r"\d{1,2}", text) and not raw[1].isdigit():
            part = "{numero}" if len(text) == 2 else "{rang}"
        parts.append(part)
    return (parts, separator, values) if _variables(parts) >= least else None


def _part(text: str, values: list[str]) -> str | None:
    """A variable, or the buyer's own text; ``None`` for a phrase that is neither. Words for pieces join ``values``."""
    bare = text.strip(" []<>{}'")
    capital = sum(c.isupper() for c in bare) > max(2, sum(c.islower() for c in bare))
    for name, pattern in _VARIABLES:
        if pattern.fullmatch(bare):
            return f"{{{name.upper() if capital else name}}}"
    if _ALONE["dossier"].fullmatch(bare):
        return "{DOSSIER}" if capital else "{dossier}"
    if is_kind(bare):
        values.append(bare)
        return "{TITRE}" if bare.isupper() else "{titre}"
    for name, pattern in _ALONE.items():
        if pattern.fullmatch(bare):
            return f"{{{name.upper() if capital else name}}}"
    return bare if re.fullmatch(r"\w+", bare) else None


def _end_of(text: str) -> str:
    """The part of a name at the end of running text: the longest that means something, else the last word."""
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    return next((text[start:] for start in starts if _means(text[start:])), text[starts[-1] :] if starts else text)


def _start_of(text: str) -> str:
    """The same at the beginning."""
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    return next((text[:end] for end in reversed(ends) if _means(text[:end])), text[: ends[0]] if ends else text)


def _means(text: str) -> bool:
    return any(pattern.fullmatch(text.strip()) for _, pattern in _VARIABLES) or is_kind(text)


def _merged(first: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    """A template with what its examples add: where examples differ stands the title; capitals are wanted where an
    example has them."""
    merged = list(first)
    for parts in others:
        for position, (own, other) in enumerate(zip(merged, parts, strict=True)):
            if own == other:
                continue
            variable, letters = own.startswith("{"), other.strip("{}")
            titles = {own.lower(), other.lower()} <= {"{titre}", "{dossier}"}
            if titles or not (variable or other.startswith("{")):
                merged[position] = "{titre}"
            elif not variable:
                merged[position] = other
            elif own == "{candidat}" and letters.isupper() and len(letters) > 2:
                merged[position] = "{CANDIDAT}"
    return merged


def _spoken(text: str) -> tuple[list[str], str] | None:
    """The longest run of variables that only linking words part: « le nom du candidat suivi du numéro du lot »."""
    matches: list[tuple[int, int, str]] = []
    for name, pattern in _VARIABLES:
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end, _ in matches):
                matches.append((match.start(), match.end(), name))
    best: list[tuple[int, int, str]] = []
    run: list[tuple[int, int, str]] = []
    for found in sorted(matches):
        linked = run and _LINK.fullmatch(text[run[-1][1] : found[0]])
        run = [*run, found] if linked and found[2] not in [name for _, _, name in run] else [found]
        best = max(best, run, key=len)
    if len(best) < 2:
        return None
    hyphen = re.search(r"\btirets?\b(?! (?:du )?bas)", text, re.IGNORECASE) or re.search(
        r"[–—-]", text[best[0][1] : best[-1][0]]
    )
    return [f"{{{name}}}" for _, _, name in best], "-" if hyphen else "_"


def kinds_of_values(rule: NamingRule) -> dict[str, str]:
    """The buyer's word for each kind of piece, by the kind's name."""
    found: dict[str, str] = {}
    for word in rule.values:
        for kind in kinds_in(word, sigles=False):
            found.setdefault(kind.name, word)
    return found

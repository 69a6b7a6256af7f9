"""What a language model proposes where the rules of reading found nothing.

The model sees only the passages that speak of the thing, answers in a form that a grammar imposes, and every value must
be a quote: it is looked for in those passages word for word, and dropped where it is not there. What is kept is marked
as the model's, for a person to check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline import prompts
from pipeline.french import fold, fold_spaces
from pipeline.llm import LanguageModel, answers
from pipeline.records import Block, Criterion, Document, Origin, PlanNode, Tender
from pipeline.tender.classify import of_kind
from pipeline.tender.links import find_links
from pipeline.tender.plan import with_refs
from pipeline.tender.versions import key_of

PASSAGE_CHARS = 2400
"""Characters of tender shown for one question: about 700 tokens, a minute of reading on two cores at worst."""
MAX_TOKENS = 300
COVER = 25
"""Blocks of a first page, where object, buyer and reference stand."""
_STRING = r'str ::= [^"\\\n]{2,220}'
_QUOTES = f'root ::= "[" ( "\\"" str "\\"" ( "," "\\"" str "\\"" ){{0,14}} )? "]"\n{_STRING}'
_WEIGHED = (
    'root ::= "[" ( item ( "," item ){0,14} )? "]"\n'
    'item ::= "{\\"citation\\":\\"" str "\\",\\"poids\\":\\"" [0-9]{0,3} "\\"}"\n'
    f"{_STRING}"
)


class _Question(NamedTuple):
    field: str
    wanted: str
    where: re.Pattern[str] | None
    """Words of the passages to show; ``None`` for the first page."""
    grammar: str


_QUESTIONS = (
    _Question("object", "l'objet de la consultation", None, _QUOTES),
    _Question("buyer", "l'acheteur public", None, _QUOTES),
    _Question("reference", "la référence ou le numéro de la consultation", None, _QUOTES),
    _Question(
        "criteria",
        "les critères de jugement des offres et leur poids",
        re.compile(r"\bcriteres?\b|ponder|\bnotees?\b|valeur technique"),
        _WEIGHED,
    ),
    _Question(
        "plan",
        "les titres du plan imposé au mémoire technique, dans l'ordre",
        re.compile(r"\bmemoire\b|\bplan\b.{0,40}(?:reponse|offre)|trame"),
        _QUOTES,
    ),
)


def propose(tender: Tender, documents: Sequence[Document], model: Callable[[], LanguageModel]) -> Tender:
    """``tender`` with what the model quotes for the fields that are empty; ``model`` is called once, if at all."""
    asked = [
        (question, _passage(documents, question)) for question in _QUESTIONS if not getattr(tender, question.field)
    ]
    asked = [(question, blocks) for question, blocks in asked if blocks]
    if not asked:
        return tender
    writer = model()
    found: dict[str, Any] = {}
    for question, blocks in asked:
        text = "\n".join(fold_spaces(block.text) for block in blocks)
        prompt = prompts.render("read.propose", wanted=question.wanted, passage=text)
        reply = answers(writer, [replace(prompt, grammar=question.grammar)], MAX_TOKENS)[0]
        value = _value(question.field, list(_quotes(reply.text, blocks)))
        if value:
            found[question.field] = value
    proposed = tender.model_copy(update=found)
    origins = [
        Origin(field=field, key=key_of(field, item), by="model")
        for field, value in found.items()
        for item in ([value] if isinstance(value, str) else value)
    ]
    return proposed.model_copy(update={"origins": (*tender.origins, *origins), "links": find_links(proposed)})


def kept(before: Tender, tender: Tender) -> Tender:
    """``tender`` with the model's earlier proposals for the fields that the rules still leave empty."""
    fields = {origin.field for origin in before.origins if origin.by == "model"}
    again = {field: getattr(before, field) for field in fields if not getattr(tender, field)}
    origins = tuple(origin for origin in before.origins if origin.by == "model" and origin.field in again)
    return tender.model_copy(update={**again, "origins": (*tender.origins, *origins)}) if again else tender


def _passage(documents: Sequence[Document], question: _Question) -> list[Block]:
    """The blocks to show: a first page, or those around the words of the question, as many as there is room for."""
    rules = of_kind(documents, "RC", "LETTRE")
    shown: list[Block] = []
    room = PASSAGE_CHARS
    for document in rules:
        blocks = [block for block in document.blocks if block.kind != "toc"]
        near = blocks[:COVER] if question.where is None else _around(blocks, question.where)
        for block in near:
            if len(block.text) <= room:
                shown.append(block)
                room -= len(block.text)
    return shown


def _around(blocks: Sequence[Block], where: re.Pattern[str]) -> list[Block]:
    hits = [number for number, block in enumerate(blocks) if where.search(fold(block.text))]
    kept_ones = {n for hit in hits for n in range(hit - 1, hit + 6) if 0 <= n < len(blocks)}
    return [blocks[n] for n in sorted(kept_ones)]


def _quotes(reply: str, blocks: Sequence[Block]) -> Iterator[tuple[str, str, int | None]]:
    """``(words of the document, weight, page)`` of every quote found again, in the order of the answer."""
    try:
        items = json.loads(reply)
    except json.JSONDecodeError:  # cut by the token limit
        return
    for item in items if isinstance(items, list) else []:
        said, weight = (item.get("citation", ""), item.get("poids", "")) if isinstance(item, dict) else (item, "")
        quote = fold_spaces(str(said)).strip(" .;:,")
        for block in blocks:
            text = fold_spaces(block.text)
            at = fold(text).find(fold(quote)) if len(quote) > 2 else -1
            if at < 0 or (weight and not re.search(rf"(?<!\d){weight}(?!\d)", text)):
                continue
            # folding keeps the number of letters, save for ligatures: then the quote itself is right
            words = text[at : at + len(quote)] if len(fold(text)) == len(text) else quote
            yield words, weight, block.page
            break


def _value(field: str, quotes: Sequence[tuple[str, str, int | None]]) -> Any:
    if field == "criteria":
        return tuple(
            Criterion(label=words, weight=float(weight) if weight else None, page=page)
            for words, weight, page in quotes
        )
    if field == "plan":
        nodes = [PlanNode(number="", title=words, level=1, page=page) for words, _, page in quotes]
        return with_refs(nodes) if len(nodes) > 1 else ()
    return quotes[0][0] if quotes else None

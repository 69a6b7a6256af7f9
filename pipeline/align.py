"""Two lists of texts -> which is which: identical, edited, rewritten, cut in two, put together, moved, new or gone.

Identical texts are found first, in order (the longest common subsequence, by rapidfuzz's bit-parallel Indel opcodes),
then wherever they went. What is left is compared all with all, which is little in a real review: words in order
(normalised Indel similarity) and words of meaning whatever their order (Dice over stems, weighted by rarity, so that
figures and names weigh most). The best assignment (Crouse, IEEE TAES 52, 2016, in scipy) is taken twice, the likeliest
pairs first: those then say where the doubtful ones are to be looked for, and which neighbours were cut or joined.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Indel, Levenshtein
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from pipeline.french import stems

STRONG, WEAK = 0.62, 0.42
"""Likeness with the bonuses of place from which two texts are paired: first the likely ones, then the doubtful ones.
Chosen on the cases « tuned » of evals/alignment.py."""
NEAR = 0.08
"""Added for the same section, for the same pair before and for the same pair after."""
LEAST = 0.3
"""Likeness under which place alone pairs nothing."""
SURE = 0.45
"""Likeness from which a pair needs no context to be believed."""
ROW = "row"
"""How the kind of rows of tables begins: their columns are alike, so that they need SURE likeness to be paired."""
SHORT = 4
"""Words up to which a text is believed moved only inside its section: « Sans objet » stands everywhere."""
GAIN = 0.02
"""Likeness that a neighbour must bring to be taken for the other half of a text."""
ISLAND = 4
"""Letters from which words kept between two changes are worth reading as kept."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Item:
    """A text to align: a paragraph, a row, a table."""

    text: str
    kind: str = "text"
    """Only items of one kind are paired."""
    place: str = ""
    """Where it stands: its section. Sections of one name on both sides are one."""


class Group(NamedTuple):
    """Texts that are one another's; positions that follow each other on each side, empty where there is none."""

    ours: tuple[int, ...]
    theirs: tuple[int, ...]
    likeness: float = 0.0
    """In [0, 1]; 0 where a side is empty."""
    sure: bool = True
    """Whether the words say so, and not only the place."""


def weight(token: str) -> int:
    """How much a token kept between two changes says: its letters; a figure is enough alone, a sign is nothing."""
    return ISLAND if token.isdigit() else len(token) if token.isalnum() else 0


def words(text: str) -> list[str]:
    """Words and signs, white space left out."""
    return re.findall(r"\w+|[^\w\s]", text)


def likeness(left: str, right: str) -> float:
    """Normalised Indel similarity of words, in [0, 1]."""
    return float(Indel.normalized_similarity(words(left), words(right)))


def distance(left: str, right: str, at_most: int | None = None) -> int:
    """Levenshtein distance in words. ``at_most``: what it cannot exceed, where that is known; it is then quicker."""
    return int(Levenshtein.distance(words(left), words(right), score_hint=at_most))


def title_likeness(left: str, right: str) -> float:
    """Of two short titles, in [0, 1], by their letters."""
    return float(fuzz.ratio(left, right)) / 100


def align(ours: Sequence[Item], theirs: Sequence[Item]) -> list[Group]:
    """Every position of both sides in exactly one group, in the order of ``theirs``; what is gone comes last."""
    pairs = _identical(ours, theirs)
    groups = {i: Group((i,), (j,), 1.0) for i, j in pairs.items()}
    for least in (STRONG, WEAK):
        _assign(ours, theirs, groups, least)
        _join(ours, theirs, groups)
    taken_ours = {i for group in groups.values() for i in group.ours}
    taken = {j for group in groups.values() for j in group.theirs}
    found = [*groups.values(), *(Group((), (j,)) for j in range(len(theirs)) if j not in taken)]
    found.sort(key=lambda group: group.theirs)
    return [*found, *(Group((i,), ()) for i in range(len(ours)) if i not in taken_ours)]


def in_place(groups: Sequence[Group]) -> list[Group]:
    """The longest chain of pairs that stand in the same order on both sides; the other pairs were moved."""
    both = sorted((group for group in groups if group.ours and group.theirs), key=lambda group: group.theirs)
    tails: list[int] = []
    at: list[int] = []
    before: list[int | None] = []
    for n, group in enumerate(both):  # longest increasing subsequence by patience sorting
        place = bisect_left(tails, group.ours[0])
        tails[place : place + 1] = [group.ours[0]]
        before.append(at[place - 1] if place else None)
        at[place : place + 1] = [n]
    chain: list[Group] = []
    step = at[-1] if at else None
    while step is not None:
        chain.append(both[step])
        step = before[step]
    return chain[::-1]


class Change(NamedTuple):
    """A run of two token lists: equal, or the left replaced by the right; either may be empty."""

    equal: bool
    left: slice
    right: slice


def changes(left: Sequence[Hashable], right: Sequence[Hashable], weights: Sequence[int]) -> list[Change]:
    """How ``right`` is made of ``left``. Islands of equal tokens between two changes that weigh under ISLAND
    (``weights`` by position in ``left``) go with the changes around them: nobody reads « de » kept between two."""
    codes = [
        (code.tag == "equal", code.src_start, code.src_end, code.dest_start, code.dest_end)
        for code in Indel.opcodes(left, right)
    ]
    runs: list[tuple[bool, int, int, int, int]] = []
    for n, (equal, a, b, c, d) in enumerate(codes):
        inside = 0 < n < len(codes) - 1
        kept = equal and not (inside and sum(weights[a:b]) < ISLAND)
        if runs and not kept and not runs[-1][0]:
            runs[-1] = (False, runs[-1][1], b, runs[-1][3], d)
        else:
            runs.append((kept, a, b, c, d))
    return [Change(kept, slice(a, b), slice(c, d)) for kept, a, b, c, d in runs]


# --- steps -------------------------------------------------------------------------------------------------


def _identical(ours: Sequence[Item], theirs: Sequence[Item]) -> dict[int, int]:
    """Pairs of the same words: in order, then wherever they went."""
    left, right = ([(item.kind, *words(item.text)) for item in side] for side in (ours, theirs))
    pairs: dict[int, int] = {}
    for code in Indel.opcodes(left, right):
        if code.tag == "equal":
            pairs |= zip(range(code.src_start, code.src_end), range(code.dest_start, code.dest_end), strict=True)
    taken = set(pairs.values())
    free: dict[Hashable, list[int]] = defaultdict(list)
    for j, key in enumerate(right):
        if j not in taken:
            free[key].append(j)
    for i, key in enumerate(left):
        if i in pairs:
            continue
        inside = [j for j in free[key] if theirs[j].place == ours[i].place]
        if inside or (free[key] and len(key) > SHORT + 1):
            pairs[i] = (inside or free[key])[0]
            free[key].remove(pairs[i])
    return pairs


def _assign(ours: Sequence[Item], theirs: Sequence[Item], groups: dict[int, Group], least: float) -> None:
    """Pair what is still alone where likeness and place together reach ``least``; no two pairs share a text."""
    taken_ours = {i for group in groups.values() for i in group.ours}
    taken = {j for group in groups.values() for j in group.theirs}
    rows = [i for i in range(len(ours)) if i not in taken_ours]
    columns = [j for j in range(len(theirs)) if j not in taken]
    if not rows or not columns:
        return
    alike = _alike([ours[i] for i in rows], [theirs[j] for j in columns])
    bottom = np.array([[SURE if ours[i].kind.startswith(ROW) else LEAST] for i in rows])
    same = _same([ours[i].place for i in rows], [theirs[j].place for j in columns])
    mate = {i: group.theirs[-1] for group in groups.values() for i in group.ours}
    first = {i: group.theirs[0] for group in groups.values() for i in group.ours}
    before = _same(_nearest(rows, mate, -1), _nearest(columns, {j: j for j in taken}, -1))
    after = _same(_nearest(rows, first, 1), _nearest(columns, {j: j for j in taken}, 1))
    value = np.where(alike >= bottom, alike + NEAR * (same + before + after), 0.0)
    short = np.array([[len(words(ours[i].text)) <= SHORT] for i in rows])
    value[short & ((same == 0) | (alike < SURE))] = 0.0
    value[value < least] = 0.0
    for row, column in zip(*linear_sum_assignment(value, maximize=True), strict=True):
        if value[row, column]:
            i, j, how = rows[row], columns[column], float(alike[row, column])
            groups[i] = Group((i,), (j,), likeness(ours[i].text, theirs[j].text), how >= SURE)


def _nearest(positions: Sequence[int], mates: dict[int, int], step: int) -> list[int]:
    """For each position, the mate of the nearest paired one before (``step`` -1) or after (1); -1, -2 at the ends."""
    known = sorted(mates)
    found = []
    for position in positions:
        n = bisect_left(known, position) - (step < 0)
        found.append(mates[known[n]] if 0 <= n < len(known) else -1 if step < 0 else -2)
    return found


def _same(left: Sequence[Hashable], right: Sequence[Hashable]) -> Numbers:
    """1 where both sides say the same, else 0; a row for each left one."""
    codes: dict[Hashable, int] = {}
    a, b = (np.array([codes.setdefault(value, len(codes)) for value in side]) for side in (left, right))
    found: Numbers = (a[:, None] == b[None, :]).astype(np.float64)
    return found


def _alike(ours: Sequence[Item], theirs: Sequence[Item]) -> Numbers:
    """Likeness of all with all: words in order, or words of meaning in any order; 0 between kinds."""
    codes: dict[str, str] = {}

    def coded(text: str) -> str:  # a letter a word: rapidfuzz compares strings without Python objects
        return "".join(codes.setdefault(word, chr(0x10000 + len(codes))) for word in words(text))

    left, right = ([coded(item.text) for item in side] for side in (ours, theirs))
    ordered = process.cdist(left, right, scorer=Indel.normalized_similarity, dtype=np.float64)
    kinds = _same([item.kind for item in ours], [item.kind for item in theirs])
    alike: Numbers = np.maximum(ordered, _shared(ours, theirs)) * kinds
    return alike


def _shared(ours: Sequence[Item], theirs: Sequence[Item]) -> Numbers:
    """Dice of the stems two texts hold, each weighted by ln(1 + N/n), n texts of the N holding it."""
    held = [[set(stems(item.text)) for item in side] for side in (ours, theirs)]
    seen = Counter(stem for side in held for stems_ in side for stem in stems_)
    number = {stem: n for n, stem in enumerate(seen)}
    texts = len(ours) + len(theirs)
    weight = np.array([math.log(1 + texts / count) for count in seen.values()])

    def table(side: list[set[str]]) -> csr_array:
        columns = [number[stem] for stems_ in side for stem in stems_]
        ends = np.cumsum([0, *map(len, side)])
        return csr_array((np.ones(len(columns)), columns, ends), shape=(len(side), len(number)))

    left, right = (table(side) for side in held)
    common = ((left * weight[None, :]) @ right.T).toarray()
    total = (left @ weight)[:, None] + (right @ weight)[None, :]
    shared: Numbers = np.divide(2 * common, total, out=np.zeros_like(common), where=total > 0)
    return shared


def _join(ours: Sequence[Item], theirs: Sequence[Item], groups: dict[int, Group]) -> None:
    """Add to a pair the lone neighbours that make it more alike: a text cut in several, several put together."""
    taken_ours = {i for group in groups.values() for i in group.ours}
    taken = {j for group in groups.values() for j in group.theirs}
    for key, group in list(groups.items()):
        if group.likeness == 1.0:
            continue
        grown = group
        for step in (1, -1):
            while (longer := _longer(grown, ours, theirs, taken_ours, taken, step)) is not None:
                taken_ours |= set(longer.ours)
                taken |= set(longer.theirs)
                grown = longer
        groups[key] = grown


def _longer(
    group: Group,
    ours: Sequence[Item],
    theirs: Sequence[Item],
    taken_ours: set[int],
    taken: set[int],
    step: int,
) -> Group | None:
    """The group with the neighbour on one side that makes it more alike; ``None`` where none does."""
    best: Group | None = None
    edge = -1 if step == 1 else 0
    i, j = group.ours[edge] + step, group.theirs[edge] + step
    tried = []
    if 0 <= i < len(ours) and i not in taken_ours and ours[i].kind == ours[group.ours[0]].kind:
        tried.append((_with(group.ours, i), group.theirs))
    if 0 <= j < len(theirs) and j not in taken and theirs[j].kind == theirs[group.theirs[0]].kind:
        tried.append((group.ours, _with(group.theirs, j)))
    for left, right in tried:
        alike = likeness(" ".join(ours[n].text for n in left), " ".join(theirs[n].text for n in right))
        if alike > (best or group).likeness + GAIN:
            best = Group(left, right, alike, alike >= SURE)
    return best


def _with(positions: tuple[int, ...], other: int) -> tuple[int, ...]:
    return tuple(sorted((*positions, other)))

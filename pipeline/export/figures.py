"""Figure -> PNG, drawn with matplotlib: readable on A4, in print and for people who do not tell colours apart."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.ticker import MaxNLocator

from pipeline.diagrams import ZONES
from pipeline.french import fold
from pipeline.records import Figure, Node

WIDTH = 16.4 / 2.54
"""Inches: the text width of the page."""
DPI = 200
INK, FRAME, BOX = "#1f3a5f", "#e9eef5", "#ffffff"
LAYERS = ("poste", "espace", "usage", "intelligence", "applicati", "identit", "donnee", "infrastructure", "reseau")
"""From the users down to the machines, by a word of their names; others come last."""
PER_ROW = 4
"""Boxes side by side: a name of 20 letters stays readable at 8 points."""
ROW, HEAD = 0.62, 0.42
"""Heights of a row of boxes and of a frame's title, in inches."""


def to_png(figure: Figure) -> bytes:
    """The figure as PNG bytes, as wide as the page's text."""
    canvas = _planning(figure) if figure.kind == "planning" else _architecture(figure)
    stream = io.BytesIO()
    canvas.savefig(stream, format="png", dpi=DPI)
    return stream.getvalue()


def _architecture(figure: Figure) -> Canvas:
    rows = {zone: _rows([node for node in figure.nodes if node.zone == zone]) for zone in ZONES}
    height = sum(HEAD + ROW * max(1, len(rows[zone])) + 0.18 for zone in ZONES)
    canvas = Canvas(figsize=(WIDTH, height), dpi=DPI)
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, height)
    axes.axis("off")
    places: dict[str, tuple[float, float]] = {}
    top = height
    for zone in ZONES:
        tall = HEAD + ROW * max(1, len(rows[zone]))
        axes.add_patch(Rectangle((0.05, top - tall), WIDTH - 0.1, tall, facecolor=FRAME, edgecolor=INK, linewidth=1))
        axes.text(0.18, top - 0.24, zone, fontsize=10, fontweight="bold", color=INK, va="center")
        if not rows[zone]:
            gap = f"[À COMPLÉTER : composants de l’environnement « {zone} »]"
            axes.text(
                WIDTH / 2, top - HEAD - ROW / 2, gap, fontsize=9, ha="center", va="center", backgroundcolor="#ffe98a"
            )
        for number, (layer, nodes) in enumerate(rows[zone]):
            middle = top - HEAD - ROW * (number + 0.5)
            axes.text(0.18, middle, textwrap.fill(layer, 15), fontsize=7.5, color=INK, va="center", style="italic")
            _boxes(axes, nodes, middle, places)
        top -= tall + 0.18
    for start, end in figure.edges:
        if start in places and end in places:
            _arrow(axes, places[start], places[end])
    return canvas


def _rows(nodes: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    """(layer, boxes) for each line of boxes; a layer's name stands on its first line only."""
    found: list[tuple[str, list[Node]]] = []
    layers = dict.fromkeys(node.layer for node in nodes)
    for layer in sorted(layers, key=lambda name: next((n for n, p in enumerate(LAYERS) if p in fold(name)), 99)):
        inside = [node for node in nodes if node.layer == layer]
        for at in range(0, len(inside), PER_ROW):
            found.append((layer if at == 0 else "", inside[at : at + PER_ROW]))
    return found


def _boxes(axes: Axes, nodes: Sequence[Node], middle: float, places: dict[str, tuple[float, float]]) -> None:
    left, wide = 1.45, (WIDTH - 1.45 - 0.15) / PER_ROW
    for place, node in enumerate(nodes):
        x = left + wide * place
        shape = FancyBboxPatch(
            (x + 0.05, middle - 0.2), wide - 0.14, 0.4, boxstyle="round,pad=0.02,rounding_size=0.05",
            facecolor=BOX, edgecolor=INK, linewidth=0.9, zorder=3,
        )  # fmt: skip
        axes.add_patch(shape)
        label = textwrap.fill(node.name, 18)
        axes.text(x + wide / 2 - 0.02, middle, label, fontsize=8, ha="center", va="center", zorder=4)
        places.setdefault(node.name, (x + wide / 2 - 0.02, middle))


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From a component to what it rests on, around the boxes between."""
    level = abs(start[1] - end[1]) < 0.01
    down = end[1] < start[1]
    shift = 0.0 if level else (-0.2 if down else 0.2)
    shape = FancyArrowPatch(
        (start[0], start[1] + (0.2 if level else shift)), (end[0], end[1] + (0.2 if level else -shift)),
        connectionstyle=f"arc3,rad={-0.35 if level else 0.12}", arrowstyle="-|>", mutation_scale=8,
        color="#8a5a00", linewidth=0.8, zorder=2.5,
    )  # fmt: skip
    axes.add_patch(shape)


def _planning(figure: Figure) -> Canvas:
    labels = [textwrap.fill(bar.label, 44) for bar in figure.bars]
    height = 0.7 + sum(0.2 + 0.15 * (1 + label.count("\n")) for label in labels)
    canvas = Canvas(figsize=(WIDTH, height), dpi=DPI)
    axes = canvas.add_axes((0.42, 0.5 / height, 0.55, 1 - 0.6 / height))
    for row, bar in enumerate(figure.bars):
        axes.barh(row, bar.end - bar.start + 1, left=bar.start - 1, height=0.55, color="#5b7fae", edgecolor=INK)
        axes.plot(bar.end, row, marker="D", markersize=4, color=INK)
    axes.set_yticks(range(len(labels)), labels, fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlim(0, max(bar.end for bar in figure.bars) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.tick_params(axis="x", labelsize=7.5)
    axes.set_xlabel("Mois depuis la notification (losange : fin de l’étape)", fontsize=7.5)
    axes.grid(axis="x", color="#d5dbe3", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return canvas

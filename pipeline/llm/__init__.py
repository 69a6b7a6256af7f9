"""The language model: one protocol, two implementations.

``llamacpp.py`` runs a GGUF file in process; ``server.py`` asks any server that speaks the OpenAI protocol
(llama-server, vLLM) on a machine of the firm. Both answer many prompts at once, and take each from the caller only
when there is room for it: what is asked next may depend on what was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Style = Literal["point", "section"]
"""How a model is best asked: one point and one passage at a time with examples (small models), or a whole section with
all its passages (from some 7 billion weights up)."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked. Prompts that share instructions and examples share their evaluation."""

    system: str
    examples: tuple[tuple[str, str], ...]
    """Earlier turns: (what the user said, what was answered)."""
    request: str
    grammar: str = ""
    """GBNF that the answer must obey; empty for free text."""
    stop: str = "\n"
    """What ends the answer: by default it is one paragraph. Empty: only the model's own end."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What it answered. ``complete`` is False where the token limit cut it."""

    text: str
    tokens: int
    complete: bool


Feed = Callable[[], tuple[int, Prompt] | None]
"""Gives the next prompt under a key of the caller's, or ``None`` where there is none for now: it is called again after
each answer."""
Tick = Callable[[int], None]
"""Told how many tokens were just decoded."""


class LanguageModel(Protocol):
    """Answers prompts. ``sha256`` identifies the weights, or the server and the model it names."""

    name: str
    sha256: str
    style: Style

    def stream(self, feed: Feed, max_tokens: int, progress: Tick | None = None) -> Iterator[tuple[int, Reply]]:
        """Answers of at most ``max_tokens`` tokens under their prompts' keys, each as soon as it is finished; ends when
        nothing is in hand and the feed has nothing. Closing the iterator stops within a token."""
        ...


def answers(
    model: LanguageModel, prompts: Sequence[Prompt], max_tokens: int, progress: Tick | None = None
) -> list[Reply]:
    """One answer a prompt, in their order."""
    waiting = iter(enumerate(prompts))
    replies = dict(model.stream(lambda: next(waiting, None), max_tokens, progress))
    return [replies[key] for key in range(len(prompts))]

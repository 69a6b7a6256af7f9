"""The pages where writers and reviewers work: one module a screen, thin."""

from api.pages.rendering import go, is_fragment, render

__all__ = ["go", "is_fragment", "render"]

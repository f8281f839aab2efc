"""The name of a loss in a text leads to its page."""

from __future__ import annotations

from typing import Any

from docutils import nodes

from website.shipped import SHIPPED

__all__ = ["setup"]

_AMBIGUOUS = {name for loss in SHIPPED for name in loss.parameters}  # gamma is a loss, and a parameter of focal
_PAGES = {loss.name: f"losses/{loss.name}" for loss in SHIPPED if loss.name not in _AMBIGUOUS}


def setup(app: Any) -> None:
    app.connect("doctree-resolved", _link)


def _link(app: Any, tree: nodes.document, page: str) -> None:
    for mention in list(tree.findall(nodes.literal)):
        target = _PAGES.get(mention.astext().removeprefix("rashin."))
        if target not in (None, page) and not isinstance(mention.parent, nodes.reference | nodes.title):
            address = app.builder.get_relative_uri(page, target)
            mention.replace_self(nodes.reference("", "", mention.deepcopy(), internal=True, refuri=address))

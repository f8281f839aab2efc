"""What the site is built from: the pages of the tree where they lie, menus, and the pages that are generated."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from website.loss_pages import write_loss_pages
from website.reference import write_reference

__all__ = ["ROOT", "menus", "write_sources"]

ROOT = Path(__file__).parents[1]
_PAGES = (
    "docs/*.*",
    "docs/notebooks/*.ipynb",
    "README.md",
    "benchmarks/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
)
_GUIDES = {
    "Losses": ("guide", "recipes", "your-own-loss", "distributions", "groups", "accuracy"),
    "Names elsewhere": ("dialects", "translate"),
    "Faults": ("check", "how-right"),
    "Data sets": ("measurement", "measuring-tables", "estimating", "clusters", "reports"),
    "Other libraries": ("torch", "torch-trainers", "torch-sharded", "jax", "keras", "boosting", "linear-models"),
    "Training": ("training", "estimators", "scratch"),
}
_REST = "More"  # pages of docs/ that no menu above names


def write_sources(folder: Path) -> None:
    """Write all that Sphinx reads into an empty folder."""
    for pattern in _PAGES:
        for path in ROOT.glob(pattern):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    (folder / "index.md").write_text(_front_page(folder), encoding="utf-8")
    (folder / "docs/index.md").write_text(_guides(folder), encoding="utf-8")
    (folder / "docs/notebooks/index.md").write_text(_tutorial(folder), encoding="utf-8")
    write_loss_pages(folder / "losses", (folder / "docs/accuracy.md").read_text(encoding="utf-8"))
    guides = (path.read_text(encoding="utf-8") for path in folder.glob("docs/*.md"))
    write_reference(folder / "reference", guides)


def _menu(entries: list[str], caption: str = "", *, is_hidden: bool = False) -> str:
    options = [f":caption: {caption}"] * bool(caption) + [":hidden:"] * is_hidden + [":maxdepth: 1"]
    return "\n".join(["```{toctree}", *options, "", *entries, "```", ""])


def _front_page(folder: Path) -> str:
    """The README, whose links lead to the same pages here."""
    entries = [
        "Guide <docs/index>",
        "Losses <losses/index>",
        "Tutorial <docs/notebooks/index>",
        "Reference <reference/index>",
    ]
    entries += ["Benchmarks <benchmarks/README>", "Changes <CHANGELOG>", "Contributing <CONTRIBUTING>"]
    text = (folder / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").unlink()
    return f"{text}\n{_menu(entries, is_hidden=True)}"


def _guides(folder: Path) -> str:
    groups = menus(path.stem for path in (folder / "docs").glob("*.md"))
    return "# Guide\n\n" + "\n".join(_menu(list(names), caption) for caption, names in groups.items())


def menus(pages: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The menus of the guides; a page that none of them names is in the last.

    Raises
    ------
    ValueError : a menu names a page that does not exist.
    """
    named = {name for names in _GUIDES.values() for name in names}
    found = set(pages)
    if named - found:
        missing = ", ".join(sorted(named - found))
        raise ValueError(
            f"docs: got no page {missing}; expected the pages of the menus; fix: correct website/sources.py"
        )
    rest = tuple(sorted(found - named))
    return _GUIDES | ({_REST: rest} if rest else {})


def _tutorial(folder: Path) -> str:
    """The notebooks by the titles that they have, each in its language."""
    names = sorted(path.name.removesuffix(".ipynb") for path in (folder / "docs/notebooks").glob("*.ipynb"))
    return f"# Tutorial\n\n{_menu(names)}"

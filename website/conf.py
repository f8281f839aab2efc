"""What Sphinx reads: https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from __future__ import annotations

import inspect
import sys

from sphinx.ext.autodoc.mock import MockFinder, _MockObject

import rashin
from website import docstrings, formulas, mentions

project, author, version = "rashin", "The rashin developers", rashin.__version__
release = version
copyright = author

extensions = ["myst_nb", "sphinx.ext.autodoc"]
root_doc = "index"
nb_execution_mode = "off"  # the outputs are stored in the notebooks, and tested there
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# The reference needs our own docstrings alone. What the adapters adapt takes seconds to import, and need not be there.
_ADAPTED = ["array_api_compat", "catboost", "jax", "keras", "lightgbm", "sklearn", "torch", "xgboost"]
sys.meta_path.insert(0, MockFinder(_ADAPTED))


def _called(absent, *arguments, **options):
    """What stands for an absent function; as the decorator of a class it leaves the class as it is."""
    made = type(absent)()
    made.__sphinx_decorator_args__ = arguments
    return arguments[0] if arguments and inspect.isclass(arguments[0]) else made


_MockObject.__call__ = _called

autodoc_typehints = "none"  # the docstrings say what is accepted, in words
autodoc_member_order = "groupwise"
vars(rashin).update({name: getattr(rashin, name) for name in rashin.__all__})  # some are imported at their first use

html_theme = "pydata_sphinx_theme"
html_title = "rashin"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_favicon = "static/needle.svg"
html_sidebars = {page: [] for page in ("benchmarks/README", "CHANGELOG", "CONTRIBUTING")}  # no pages are below them
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "logo": {"text": "rashin", "image_light": "static/needle.svg", "image_dark": "static/needle.svg"},
    "show_prev_next": False,
    "navigation_with_keys": False,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def setup(app):
    docstrings.setup(app)
    formulas.setup(app)
    mentions.setup(app)
    app.connect("html-page-context", in_its_language)


def in_its_language(app, page, template, context, doctree):
    """Pages such as notebooks/loss-functions.ja name their language, which decides on fonts and hyphenation."""
    if page.endswith(".ja"):
        context["language"] = "ja"

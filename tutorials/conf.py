"""How Sphinx builds these pages: `sphinx-build -W tutorials build/docs`."""

import sys
from pathlib import Path

import dynaghost

sys.path.insert(0, str(Path(__file__).parent))

project = "dynaghost"
author = "the dynaghost authors"
copyright = author
version = release = dynaghost.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_parts",
]
exclude_patterns = ["conf.py", "conftest.py", "sphinx_parts.py"]
# Of what a page loads, nothing comes from a network: formulas are written as MathML (sphinx_parts.py).
html_theme = "furo"
# Code is a little smaller, so that a line of it fits.
html_theme_options = {"light_css_variables": {"code-font-size": "0.76rem"}}
html_title = f"dynaghost {version}"
html_math_renderer = "mathml"
html_static_path: list[str] = []
html_show_sphinx = False
templates_path: list[str] = []

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
# The tutorials are percent scripts: `python tutorials/toy_model.py` runs the same cells.
nb_custom_formats = {".py": "sphinx_parts.read_script"}
nb_execution_mode = "cache"
nb_execution_cache_path = str(
    Path(__file__).parents[1] / "build" / "docs-cache"
)
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_execution_raise_on_error = True
nb_execution_in_temp = False

# Docstrings are numpydoc in plain English: one backtick is code, bars and stars mean themselves (sphinx_parts.py).
default_role = "literal"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
nitpicky = False

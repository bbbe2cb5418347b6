"""What these pages need beyond Sphinx: formulas as MathML, docstrings in plain English, tables of the schema, names."""

import re
from pathlib import Path
from typing import Any

import jupytext
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from latex2mathml.converter import convert
from sphinx.util.nodes import nested_parse_with_titles

import dynaghost
from dynaghost.summary import schema


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    # Before napoleon makes markup of the sections.
    app.connect("autodoc-process-docstring", _plain, priority=400)
    app.add_directive("schema-tables", SchemaTables)
    app.add_directive("remaining-names", RemainingNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read_script(text: str) -> Any:
    """A percent script as a notebook of Python."""
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    notebook.metadata["language_info"] = {
        "name": "python",
        "pygments_lexer": "ipython3",
    }
    return notebook


def _inline(self: Any, node: nodes.math) -> None:
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.math_block) -> None:
    self.body.append(
        f'<div class="math" style="overflow-x: auto">{convert(node.astext(), display="block")}</div>'
    )
    raise nodes.SkipNode


def _plain(
    app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]
) -> None:
    """Escape what reStructuredText would read as markup, outside code."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...", ":", "..")):
            # Odd parts stand between backticks: code, where nothing is to be escaped.
            parts = re.split(r"(`[^`]*`)", line)
            lines[i] = "".join(
                p
                if p.startswith("`")
                else re.sub(r"(?<!\*)\*(?!\*)|\|", r"\\\g<0>", p)
                for p in parts
            )


class SchemaTables(Directive):
    """The JSON Schema of `analysis.json` as one table an object, field by field."""

    def run(self) -> list[nodes.Node]:
        document = schema()
        text = _table("analysis.json", document, document)
        for name, part in document["$defs"].items():
            if "properties" in part:
                text += _table(name, part, document)
        return _parsed(self, text, "analysis.schema.json")


class RemainingNames(Directive):
    """Every public name of the package that its page does not list elsewhere."""

    def run(self) -> list[nodes.Node]:
        page = Path(self.state.document["source"]).read_text(encoding="utf-8")
        listed = set(re.findall(r"auto\w+:: (?:\w+\.)*(\w+)", page)) | {
            "plot",
            "__version__",
        }
        text = []
        for name in [name for name in dynaghost.__all__ if name not in listed]:
            kind = (
                "autoclass"
                if isinstance(getattr(dynaghost, name), type)
                else "autofunction"
            )
            text += [f".. {kind}:: dynaghost.{name}", ""]
        return _parsed(self, text, "dynaghost/__init__.py")


def _parsed(
    directive: Directive, text: list[str], source: str
) -> list[nodes.Node]:
    holder = nodes.section()
    holder.document = directive.state.document
    nested_parse_with_titles(directive.state, StringList(text, source), holder)
    return holder.children


def _table(
    title: str, part: dict[str, Any], document: dict[str, Any]
) -> list[str]:
    lines = [
        f".. list-table:: ``{title}``: {part.get('description', '')}".rstrip(
            ": "
        ),
        "   :header-rows: 1",
    ]
    lines += [
        "   :widths: 22 28 50",
        "",
        "   * - field",
        "     - value",
        "     - meaning",
    ]
    for name, field in part["properties"].items():
        lines += [
            f"   * - ``{name}``",
            f"     - {_kind(field)}",
            f"     - {_meaning(field, document)}",
        ]
    return [*lines, ""]


def _meaning(field: dict[str, Any], document: dict[str, Any]) -> str:
    """What the field or, if it says nothing, what the object it holds says of itself."""
    held = [
        one["$ref"].rpartition("/")[2]
        for one in [field, *field.get("anyOf", [])]
        if "$ref" in one
    ]
    text = field.get("description") or " ".join(
        document["$defs"][name].get("description", "") for name in held
    )
    return text.replace("|", "\\|").replace("*", "\\*") or "—"


def _kind(field: dict[str, Any]) -> str:
    """What a field may hold, in a few words."""
    if "const" in field:
        return f"always ``{field['const']}``"
    if "enum" in field:
        return "one of " + ", ".join(f"``{value}``" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return {"number_or_null": "number or null"}.get(name, f"``{name}``")
    if field.get("type") == "array":
        return f"array of {_kind(field.get('items', {}))}"
    kinds = field.get("type", "any")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)

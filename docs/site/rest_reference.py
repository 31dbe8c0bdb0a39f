"""The directive `rest-reference`: an OpenAPI description as a page, a section for each tag and schema."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

Json = dict[str, Any]
Row = tuple[str, ...]
BOUNDS = ("default", "minimum", "maximum", "maxLength")


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("rest-reference", RestReference)
    return {"parallel_read_safe": True}


class RestReference(SphinxDirective):
    """Shows the OpenAPI description in a file, whose name is relative to the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        relative, absolute = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(relative)
        api = yaml.safe_load(Path(absolute).read_text())
        return self.parse_text_to_nodes("\n".join(markdown(api)), allow_section_headings=True)


def markdown(api: Json) -> Iterator[str]:
    """Yield the lines of an OpenAPI description."""
    yield api["info"]["description"]
    for tag in api["tags"]:
        yield f"\n## {tag['name']}\n"
        for title, operation in operations(api, tag["name"]):
            yield from operation_lines(title, operation)
    yield "\n## Failures\n"
    failures = api["components"]["responses"].items()
    yield from table(("Response", "When"), ((name, it["description"]) for name, it in failures))
    yield "\n## Schemas\n"
    for name, schema in api["components"]["schemas"].items():
        yield from schema_lines(name, schema)


def operations(api: Json, tag: str) -> Iterator[tuple[str, Json]]:
    """Yield the operations of a tag, each with its method and path."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield f"{method.upper()} {path}", operation


def operation_lines(title: str, operation: Json) -> Iterator[str]:
    """Yield the lines on one operation: what it takes and what it answers."""
    yield f"\n### `{title}`\n"
    yield f"{operation['summary']}. {operation.get('description', '')}\n"
    parameters = operation["parameters"]
    rows = ((f"`{it['name']}` ({it['in']})", kind(it), notes(it)) for it in parameters)
    yield from table(("Parameter", "Type", ""), rows)
    if body := operation.get("requestBody"):
        yield f"Body: {contents(body)}\n"
    answers = operation["responses"].items()
    yield from table(("Status", "Answer"), ((status, answer(it)) for status, it in answers))


def answer(response: Json) -> str:
    """Say what comes with a status: a failure that many share, a content, or what it means."""
    if "$ref" in response:
        return f"[{last(response)}](#failures)"
    return contents(response) or response["description"]


def contents(it: Json) -> str:
    """Say what a body or an answer consists of, by media type."""
    return "; ".join(f"{kind(content)} as `{media}`" for media, content in it.get("content", {}).items())


def schema_lines(name: str, schema: Json) -> Iterator[str]:
    """Yield the lines on one schema: its members."""
    yield f"\n### {name}\n"
    yield f"{schema.get('description', '')}\n"
    required = schema.get("required", [])
    members = schema.get("properties", {})
    names = {member: f"`{member}`, required" if member in required else f"`{member}`" for member in members}
    yield from table(("Member", "Type", ""), ((names[it], kind(of), notes(of)) for it, of in members.items()))


def kind(it: Json) -> str:
    """Name the type of a schema or of what has one, with a link if it has a section."""
    schema = it.get("schema", it)
    if "$ref" in schema:
        return f"[{last(schema)}](#{last(schema).lower()})"
    if several := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(map(kind, several))
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}"
    names = schema.get("type", "anything")
    return " or ".join(names) if isinstance(names, list) else names


def notes(it: Json) -> str:
    """Say what else is known of a parameter or member: its meaning, its values, its bounds."""
    schema = it.get("schema", it)
    values = ", ".join(f"`{value}`" for value in schema.get("enum", []))
    bounds = [f"{word} `{schema[word]}`" for word in BOUNDS if word in schema]
    return "; ".join(filter(None, [it.get("description", ""), values and f"one of {values}", *bounds]))


def last(reference: Json) -> str:
    """Return the name that a reference ends with."""
    return str(reference["$ref"].rpartition("/")[2])


def table(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield a table's lines; none if it has no rows."""
    lines = [" | ".join(map(cell, row)) for row in rows]
    if lines:
        yield from (" | ".join(head) + " |", " | ".join("---" for _ in head), *lines, "")


def cell(text: str) -> str:
    """Return a text as it may stand in a table."""
    return " ".join(text.replace("|", "\\|").split())

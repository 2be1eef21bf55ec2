"""`/docs`: the OpenAPI as one page, written here: no scripts, nothing fetched from elsewhere, readable offline."""

import json
from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

Json = dict[str, Any]

router = APIRouter(include_in_schema=False)
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_DEPTH_MAX: Final = 6
"""Of schemas inside one another; deeper ones are in /openapi.json."""
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8884; border-radius: 6px; }
details { border: 1px solid #8884; border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .25rem .5rem; border-top: 1px solid #8884; }
b.method { display: inline-block; min-width: 4rem; }
nav a { margin-right: .8rem; }
"""


@router.get("/docs")
async def page(request: Request) -> Response:
    """Return every route with what it takes and answers."""
    return HTMLResponse(_page(request.app.openapi()))


def _page(document: Json) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if (operation := methods.get(method)) is not None:
                tag = str((operation.get("tags") or ["other"])[0])
                by_tag.setdefault(tag, []).append(_operation(document, method, path, operation))
    title = f"{document['info']['title']} {document['info']['version']}: HTTP API"
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in by_tag)
    sections = "".join(
        f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(operations)}' for tag, operations in by_tag.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(title)}</h1><p>Send <code>Authorization: Bearer vgw_&lt;id&gt;_&lt;secret&gt;</code>. The same "
        f'for machines: <a href="/openapi.json">/openapi.json</a>.</p><nav>{links}</nav>{sections}</body></html>'
    )


def _operation(document: Json, method: str, path: str, operation: Json) -> str:
    parts = [f"<p>{escape(str(operation.get('description', '')))}</p>"]
    if parameters := operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}"
            f"{', required' if each.get('required') else ''}</td><td>{escape(each.get('description', ''))}</td></tr>"
            for each in parameters
        )
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{escape(kind)}</code>:</p>{_shape(document, content.get('schema', {}))}")
    parts.append(_answers(document, operation))
    head = f'<b class="method">{method.upper()}</b> <code>{escape(path)}</code> {escape(operation.get("summary", ""))}'
    name = escape(str(operation.get("operationId", "")))
    return f'<details id="{name}"><summary>{head}</summary>{"".join(parts)}</details>'


def _answers(document: Json, operation: Json) -> str:
    rows, shapes = [], []
    for status, response in sorted(operation.get("responses", {}).items()):
        rows.append(f"<tr><td>{escape(status)}</td><td>{escape(response.get('description', ''))}</td></tr>")
        if status.startswith("2"):
            for kind, content in response.get("content", {}).items():
                if content.get("schema"):
                    shape = _shape(document, content["schema"])
                    shapes.append(f"<p>{escape(status)}, <code>{escape(kind)}</code>:</p>{shape}")
    return f"{''.join(shapes)}<table><tr><th>status</th><th></th></tr>{''.join(rows)}</table>"


def _shape(document: Json, schema: Json) -> str:
    shown = json.dumps(_sketch(document, schema, 0), indent=2, ensure_ascii=False)
    return f"<pre>{escape(shown)}</pre>"


def _sketch(document: Json, schema: Any, depth: int) -> Any:
    """Return what a value of a schema looks like: names, and what stands behind each."""
    if not isinstance(schema, dict) or depth > _DEPTH_MAX:
        return "…"
    if (reference := schema.get("$ref")) is not None:
        name = str(reference).rsplit("/", 1)[-1]
        return _sketch(document, document["components"]["schemas"].get(name, {}), depth + 1)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            kinds = [each for each in schema[choice] if each.get("type") != "null"]
            return _sketch(document, kinds[0], depth) if kinds else None
    if "properties" in schema:
        return {name: _sketch(document, each, depth + 1) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_sketch(document, schema.get("items", {}), depth + 1)]
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if isinstance(extra := schema.get("additionalProperties"), dict):
        return {"<name>": _sketch(document, extra, depth + 1)}
    kind = schema.get("format") or schema.get("const") or schema.get("type") or "any"
    return f"{kind}: {schema['description']}" if schema.get("description") else str(kind)

"""Writes `clients/typescript/src/schema.ts`: the service's OpenAPI schemas as TypeScript.

Run `python web/schema.py` after a change of the API.
"""

import json
from pathlib import Path
from typing import Any

from chatkeep.api.app import create_api
from chatkeep.settings import Settings

TARGET = Path(__file__).parent.parent / "clients" / "typescript" / "src" / "schema.ts"
_HEAD = "// Written by web/schema.py from the service's OpenAPI document; a test keeps it current.\n"
_PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def render_typescript() -> str:
    """Return the whole file: one type for each schema, in alphabetical order."""
    schemas: dict[str, Any] = create_api(Settings.model_construct()).openapi()["components"]["schemas"]
    return _HEAD + "".join(_declaration(name, schemas[name]) for name in sorted(schemas))


def _declaration(name: str, schema: dict[str, Any]) -> str:
    head = f"\n/** {' '.join(schema.get('description', name).split())} */\nexport "
    if "properties" not in schema:
        return f"{head}type {name} = {_type(schema)};\n"
    fields = "".join(
        f"  {field}{'' if _is_always_present(name, schema, field) else '?'}: {_type(each)};\n"
        for field, each in schema["properties"].items()
    )
    return f"{head}interface {name} {{\n{fields}}}\n"


def _is_always_present(name: str, schema: dict[str, Any], field: str) -> bool:
    """True if a value always has this field. Responses have all that are required or have a default value."""
    is_request = schema.get("additionalProperties") is False
    has_default = "default" in schema["properties"][field] and not (is_request or name == "ProblemDocument")
    return field in schema.get("required", ()) or has_default


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"const": value}:
            return json.dumps(value)
        case {"anyOf": options} | {"oneOf": options}:
            return " | ".join(dict.fromkeys(_type(option) for option in options))
        case {"type": "array"}:
            return f"readonly {_parenthesize(_type(schema.get('items', {})))}[]"
        case {"type": "object", "additionalProperties": dict()}:
            return f"Readonly<Record<string, {_type(schema['additionalProperties'])}>>"
        case {"type": "object"}:
            return "Readonly<Record<string, unknown>>"
        case {"type": str(name)}:
            return _PRIMITIVES[name]
        case _:
            return "unknown"


def _parenthesize(text: str) -> str:
    return f"({text})" if "|" in text else text


if __name__ == "__main__":
    TARGET.write_text(render_typescript(), "utf-8")

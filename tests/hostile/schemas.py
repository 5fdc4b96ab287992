"""Schemas that make much work of little text."""

from typing import Any


def doubling(times: int, keyword: str = "allOf") -> dict[str, Any]:
    """Return a schema whose argument `a` is checked 2 to the power of `times` times."""
    defs: dict[str, Any] = {"x0": {"type": "string"}}
    for i in range(1, times + 1):
        defs[f"x{i}"] = {keyword: [{"$ref": f"#/$defs/x{i - 1}"}] * 2}
    return {"type": "object", "$defs": defs, "properties": {"a": {"$ref": f"#/$defs/x{times}"}}, "required": ["a"]}

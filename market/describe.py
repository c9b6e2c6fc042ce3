"""`python -m market.describe`: the page of all settings, from their definitions."""

import sys
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from market.settings import Settings

_HEAD = """# Settings

Every setting, with its default. Set one in the environment (`PRICEBRAID_KAFKA__PARTITIONS=8`) or in the TOML file
`pricebraid.toml` (or the one that `PRICEBRAID_CONFIG` names):

```toml
symbols = ["BTC-USDT", "ETH-USDT"]

[kafka]
partitions = 8
```

The environment wins over the file. A wrong or unknown setting is refused with its name and what is allowed. This page
is written by `python -m market.describe`, and a test fails where it is out of date.
"""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, list):
        return f"{len(value)} majors: `{value[0]}`, `{value[1]}` …" if len(value) > 3 else f"`{','.join(value)}`"
    if hasattr(value, "name") and hasattr(value, "parent"):
        return f"`{value.name}`, in the project's folder"
    return f"`{value}`" if value != "" else "empty"


def _allowed(field: FieldInfo) -> str:
    literals = [str(value) for value in get_args(field.annotation) if isinstance(value, str)]
    bounds = []
    for rule in field.metadata:
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
            if getattr(rule, name, None) is not None:
                bounds.append(f"{sign} {getattr(rule, name)}")
        if getattr(rule, "pattern", None):
            bounds.append(f"`{rule.pattern}`".replace("|", "\\|"))
    kind = {"str": "text", "int": "whole number", "Path": "path"}.get(getattr(field.annotation, "__name__", ""), "")
    return ", ".join(f"`{value}`" for value in literals) or " and ".join(bounds) or kind


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        cells = (f"`{prefix}{name.upper()}`", _default(field), _allowed(field), field.description or "")
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def _section(title: str, about: str, rows: list[str]) -> str:
    return "\n".join(
        [f"## {title}", "", about, "", "| setting | default | allowed | what it is |", "|---|---|---|---|", *rows]
    )


def page() -> str:
    """Return the whole page as Markdown."""
    parts = [_HEAD, _section("General", "At the top of the file.", _rows(Settings, "PRICEBRAID_"))]
    for name, field in Settings.model_fields.items():
        model: Any = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            about = (model.__doc__ or "").strip().splitlines()[0]
            parts.append(_section(f"`[{name}]`", about, _rows(model, f"PRICEBRAID_{name.upper()}__")))
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())

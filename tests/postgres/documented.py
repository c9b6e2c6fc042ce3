"""What docs/sql.md says: its statements, and the columns and functions that it names."""

import re
from collections.abc import Iterator

from market.settings import ROOT

PAGE = (ROOT / "docs" / "sql.md").read_text()

_CODE = re.compile(r"`([^`]+)`")
_AS_IN = re.compile(r"as in `(\w+)`")
_STATEMENT = re.compile(r"^```sql\n-- (.+?)\n(.+?)^```", re.MULTILINE | re.DOTALL)
_FUNCTION = re.compile(r"(\w+)\((.*)\)")


def statements() -> dict[str, str]:
    """Return the statements of the page by the comment that each begins with."""
    found = dict(_STATEMENT.findall(PAGE))
    assert len(found) == PAGE.count("```sql"), "a statement has no comment, or two have the same"
    return found


def relations() -> dict[str, dict[str, str]]:
    """Return the documented type of each column, by table or view and column."""
    found: dict[str, dict[str, str]] = {}
    for section in _part("Tables and views").split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        columns = found[title.strip("`")] = {}
        for names, types, *_ in _rows(text):
            named = _CODE.findall(names)
            if (like := _AS_IN.fullmatch(types)) is not None:
                columns |= {name: found[like[1]][name] for name in named}
            else:
                # One type for all, or one each.
                each = types.split(", ")
                columns |= dict(zip(named, each if len(each) > 1 else each * len(named), strict=True))
    return found


def functions() -> dict[str, str | None]:
    """Return the documented arguments of each function, None where it is only named."""
    text = _part("Functions")
    called = [match for names, *_ in _rows(text) for match in map(_FUNCTION.fullmatch, _CODE.findall(names)) if match]
    named = _CODE.findall(re.sub(r"^\|.*$|\([^)]*\)", "", text, flags=re.MULTILINE))
    return dict.fromkeys(named) | {match[1]: match[2] for match in called}


def _part(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]

"""Tells whether a server is well: `python -S healthy.py URL [FIELD]`; exit code 0 where it is, else 1, saying why.

It is where it answers, and where FIELD is neither false nor zero in the JSON of its answer. Docker asks every few
seconds, so nothing but the standard library is loaded.
"""

import json
import sys
from urllib.request import urlopen


def main(url: str, field: str = "") -> str | None:
    """Return why it is not well, None where it is."""
    try:
        with urlopen(url, timeout=4) as answer:  # noqa: S310  (docker-compose.yml names it)
            found = json.load(answer)
    except (OSError, ValueError) as error:
        return f"{url}: {error}"
    return f"{url}: {field} is {found.get(field)!r}" if field and not found.get(field) else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

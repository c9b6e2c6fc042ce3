"""docker-compose.yml as tests read it: anchors merged, and each `${…}` filled in as docker compose would."""

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from ruamel.yaml import YAML

from market.settings import ROOT

PROFILES = ("live", "simulated")

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<what>[^}]*))?\}")

Service = dict[str, Any]


@cache
def _read() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return found


def written() -> dict[str, Any]:
    """Return the file with its anchors merged, nothing filled in."""
    return deepcopy(_read())


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Return a value with its `${…}` filled in; a required one that is missing is a KeyError."""
    if isinstance(value, dict):
        return {key: filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    return _VARIABLE.sub(lambda found: _filled(found, variables), value) if isinstance(value, str) else value


def _filled(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    default = found["what"] if found["how"] == "-" else ""
    given = variables.get(found["name"]) or default
    if not given:
        raise KeyError(found["name"])
    return given


def required() -> set[str]:
    """Return the variables without which docker compose refuses the file."""
    return {found["name"] for found in _VARIABLE.finditer(str(written())) if found["how"] == "?"}


def services(profile: str) -> dict[str, Service]:
    """Return the services of a profile by name; each password is the name of its variable."""
    variables = {name: name for name in required()}
    found: dict[str, Service] = filled(written()["services"], variables)
    return {name: service for name, service in found.items() if profile in service.get("profiles", PROFILES)}


def image(service: Service) -> tuple[str, str]:
    """Return name and tag of a service's image."""
    name, _, tag = service["image"].partition(":")
    return name, tag


def of_ours(found: Mapping[str, Service]) -> dict[str, Service]:
    """Return the services that run our own images."""
    return {name: service for name, service in found.items() if image(service)[0].startswith("pricebraid-")}

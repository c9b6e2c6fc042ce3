"""What a running Grafana says of itself over its API: whether it has the data sources and dashboards of `grafana/`."""

import json
import logging
from dataclasses import dataclass
from typing import Any

import requests
from grafana_client import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException

from market.settings import Settings
from stack.errors import StackError
from stack.grafana import DASHBOARDS
from stack.passwords import grafana_password
from stack.state import State

# It logs what it raises as well.
logging.getLogger("grafana_client").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Seen:
    """What was seen of a Grafana."""

    version: str
    sources: dict[str, str]
    """Of each data source, by its uid: empty where it is healthy, else what Grafana says of it."""
    missing: list[str]
    """Titles of dashboards that it does not have."""
    dashboards: int
    """How many it should have."""


def connect(settings: Settings, state: State) -> Any:
    """Return grafana-client's API of the market's Grafana, as its administrator; nothing is asked yet.

    Raises:
        OSError: its password cannot be read.
    """
    api = GrafanaApi.from_url(
        f"http://127.0.0.1:{settings.ports.grafana}", credential=("admin", grafana_password(state)), timeout=10.0
    )
    # This machine is reached without a proxy.
    api.client.s.trust_env = False
    return api


def look(settings: Settings, state: State) -> Seen:
    """Ask the market's Grafana for what it should have.

    Raises:
        StackError: it does not answer, or refuses the administrator's password.
    """
    uids = ["pricebraid-postgres", *(["pricebraid-prometheus"] if settings.prometheus.enabled else [])]
    wanted = {
        found["uid"]: found["title"] for path in DASHBOARDS.glob("*.json") for found in [json.loads(path.read_bytes())]
    }
    try:
        api = connect(settings, state)
        version = str(api.health.check()["version"])
        there = {item["uid"] for item in api.search.search_dashboards(type_="dash-db", limit=5000)}
        sources = {uid: _sickness(api, uid) for uid in uids}
    except (requests.RequestException, GrafanaException, OSError, KeyError, TypeError) as error:
        raise StackError(
            f"Grafana does not answer as it should: {str(error).splitlines()[0]}.", "See `./pricebraid logs grafana`."
        ) from error
    return Seen(version, sources, sorted(title for uid, title in wanted.items() if uid not in there), len(wanted))


def _sickness(api: Any, uid: str) -> str:
    """Return what is wrong with a data source, in Grafana's words; empty where nothing is."""
    try:
        health = api.datasource.health(uid)
    except GrafanaClientError as error:
        # Grafana refuses the question itself where the source is unhealthy.
        told = error.response
        return str(told.get("message") or error) if isinstance(told, dict) else str(error)
    return "" if health["status"] == "OK" else str(health.get("message") or health["status"])

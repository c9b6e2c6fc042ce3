"""The Grafana part: the dashboards of `grafana/`, on 127.0.0.1 only, for all who reach it to look at."""

from functools import partial
from pathlib import Path

from market.settings import ROOT, Settings
from stack.environment import base_environment
from stack.errors import StackError
from stack.part import Part
from stack.passwords import ROLES, grafana_password
from stack.probes import unanswered
from stack.programs import Program, locate
from stack.state import State

FOLDER = ROOT / "grafana"
DASHBOARDS = FOLDER / "dashboards"

LEAST_VERSION = 12
"""The dashboards are of the form that Grafana 12 reads."""


def part(settings: Settings, state: State) -> Part:
    """Return the Grafana part; its program is looked for now, and fetched before it starts where there is none."""
    program = locate("grafana", settings.grafana.binary, LEAST_VERSION, state)
    home = home_of(program)
    own = home / "bin" / "grafana"
    return Part(
        name="grafana",
        command=[
            # A package's command wraps this one, to lead it to the package's own configuration.
            str(own if own.is_file() else program.path),
            "server",
            "--homepath",
            str(home),
            "--config",
            str(FOLDER / "grafana.ini"),
        ],
        env=environment(settings, state),
        cwd=state.folder,
        endpoint=f"http://127.0.0.1:{settings.ports.grafana}",
        ready=lambda: unanswered(settings.ports.grafana, "/api/health"),
        obtain=partial(program.obtain, state),
        prepare=lambda: prepare(state),
        # What others start with is theirs: candles are there sooner.
        after=("ingest",),
        optional=True,
    )


def home_of(program: Program) -> Path:
    """Return the folder of Grafana's own pages and defaults: that of its release, or of its package."""
    above = program.path.resolve().parent.parent
    folders = (above, above / "share" / "grafana", Path("/usr/share/grafana"))
    return next((folder for folder in folders if (folder / "conf" / "defaults.ini").is_file()), above)


def environment(settings: Settings, state: State) -> dict[str, str]:
    """Return Grafana's environment: what it and the files of `grafana/` read from there (docs/dashboards.md)."""
    ports = settings.ports
    return {
        **base_environment(),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(ports.grafana),
        "GF_SERVER_DOMAIN": "127.0.0.1",
        "GF_PATHS_DATA": str(state.grafana),
        "GF_PATHS_LOGS": str(state.grafana / "log"),
        "GF_PATHS_PLUGINS": str(state.grafana / "plugins"),
        "GF_PATHS_PROVISIONING": str(FOLDER / "provisioning"),
        # Grafana reads the file itself: others may see a process's environment.
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{state.grafana_password}}}",
        "GRAFANA_DASHBOARDS": str(DASHBOARDS),
        "GRAFANA_POSTGRES_URL": f"{settings.postgres.host}:{ports.postgres}",
        "GRAFANA_POSTGRES_DATABASE": settings.postgres.database,
        "GRAFANA_POSTGRES_USER": ROLES["reader"],
        # Who only reads needs none.
        "GRAFANA_POSTGRES_PASSWORD": "",
        "GRAFANA_PROMETHEUS_URL": f"http://127.0.0.1:{ports.prometheus}",
    }


def prepare(state: State) -> None:
    """Make the folder of what Grafana keeps, and its administrator's password.

    Raises:
        StackError: something cannot be written.
    """
    try:
        state.grafana.mkdir(parents=True, exist_ok=True)
        grafana_password(state)
    except OSError as error:
        raise StackError(
            f"Grafana's folder {state.grafana} cannot be prepared: {error}.",
            "Check that the disk is not full and that you may write there.",
        ) from error

"""What the processes of the stack find in their environment: little of the caller's, and every setting."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from market.settings import Settings

_PREFIX = "PRICEBRAID_"

_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PRICEBRAID_CONFIG",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip


def base_environment() -> dict[str, str]:
    """Return what a part takes over from the caller: paths, locale, time zone, certificates and proxies.

    Options for every JVM or Python of the caller's are left behind: they could change what a part computes.
    """
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def effective(settings: Settings) -> Settings:
    """Return the settings as the parts of one machine need them.

    The broker is the one on `ports.kafka`; unless the market is live, both venues are the market on `ports.market`.
    """
    changes: dict[str, object] = {
        "kafka": settings.kafka.model_copy(update={"bootstrap": f"{settings.hosts.kafka}:{settings.ports.kafka}"})
    }
    if settings.market not in ("auto", "live"):
        here = f"{settings.hosts.market}:{settings.ports.market}"
        changes["binance"] = settings.binance.model_copy(
            update={"ws_url": f"ws://{here}", "rest_url": f"http://{here}"}
        )
        changes["kucoin"] = settings.kucoin.model_copy(update={"rest_url": f"http://{here}"})
    return settings.model_copy(update=changes)


def child_environment(settings: Settings) -> dict[str, str]:
    """Return every setting as an environment variable, so that these alone give a child the same settings.

    Paths are made absolute, since a part runs in the project's folder.
    """
    values = dict(_flatten(settings, _PREFIX))
    values[f"{_PREFIX}STATE_DIR"] = str(settings.state_dir.absolute())
    if settings.market not in ("auto", "live", "simulated"):
        values[f"{_PREFIX}MARKET"] = str(Path(settings.market).absolute())
    return values


def _flatten(model: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        variable = prefix + name.upper()
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{variable}__")
        elif isinstance(value, list):
            yield variable, ",".join(str(item) for item in value)
        else:
            yield variable, str(value)

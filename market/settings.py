"""Every setting of Pricebraid, typed, with its default; those of the sections are in `market.sections`.

A setting comes from the environment (`PRICEBRAID_KAFKA__PARTITIONS=8`), else from the TOML file that
`PRICEBRAID_CONFIG` names (`pricebraid.toml` in the project's folder by default), else it is the default.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import TomlConfigSettingsSource

from market.sections import (
    BinanceSettings,
    Count,
    FlinkSettings,
    GrafanaSettings,
    Hosts,
    IngestSettings,
    KafkaSettings,
    KucoinSettings,
    Ports,
    PostgresSettings,
    PrometheusSettings,
    RepairSettings,
    SequencerSettings,
    SimulationSettings,
    VerifySettings,
)
from market.symbols import MAJORS

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder."""


class SettingsError(ValueError):
    """One or more settings are wrong; the text names each, its value and what is allowed."""


class Settings(BaseSettings):
    """All settings. `load()` reads them; a wrong one is a `SettingsError`."""

    model_config = SettingsConfigDict(
        env_prefix="PRICEBRAID_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    market: str = Field(
        "auto", description="`live`, `simulated`, a recording's path, or `auto`: live where it can be reached"
    )
    speed: str = Field(
        "1",
        pattern=r"^(max|\d+(\.\d+)?)$",
        description="pace of a recording or of the simulated market: a factor; a recording can be played at `max`",
    )
    state_dir: Path = Field(ROOT / ".pricebraid", description="folder of everything that is kept")
    symbols: Annotated[list[str] | Literal["all"], NoDecode] = Field(
        default=list(MAJORS),
        description="canonical symbols such as `BTC-USDT`, separated by commas; `all`: the USDT pairs that both list",
    )
    log_format: Literal["text", "json"] = Field("text", description="readable lines, or JSON lines")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    listen: str = Field("127.0.0.1", description="address that the parts listen on; containers need `0.0.0.0`")
    log_megabytes: Count = Field(20, description="size at which a part's log file is rotated; three are kept")
    hosts: Hosts = Hosts()
    ports: Ports = Ports()
    binance: BinanceSettings = BinanceSettings()
    kucoin: KucoinSettings = KucoinSettings()
    ingest: IngestSettings = IngestSettings()
    kafka: KafkaSettings = KafkaSettings()
    sequencer: SequencerSettings = SequencerSettings()
    repair: RepairSettings = RepairSettings()
    flink: FlinkSettings = FlinkSettings()
    postgres: PostgresSettings = PostgresSettings()
    verify: VerifySettings = VerifySettings()
    grafana: GrafanaSettings = GrafanaSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    simulation: SimulationSettings = SimulationSettings()

    @field_validator("symbols", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str) or value.strip() == "all":
            return value.strip() if isinstance(value, str) else value
        return [part.strip().upper() for part in value.split(",") if part.strip()]

    @field_validator("symbols")
    @classmethod
    def _canonical(cls, value: list[str] | str) -> list[str] | str:
        if isinstance(value, list):
            if not value:
                raise ValueError("at least one symbol, or `all`")
            for symbol in value:
                base, _, quote = symbol.partition("-")
                if not base or not quote or "-" in quote:
                    raise ValueError(f"{symbol!r} is not of the form BASE-QUOTE, as BTC-USDT is")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is passed, then the environment, then the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())


def config_file() -> Path:
    """Return the path of the TOML file that is read where it exists."""
    return Path(os.environ.get("PRICEBRAID_CONFIG", ROOT / "pricebraid.toml"))


def load(**overrides: Any) -> Settings:
    """Read the settings; `overrides` win over environment and file.

    Raises:
        SettingsError: one is unknown or wrong; the text names it, what it was and what is allowed.
    """
    if "PRICEBRAID_CONFIG" in os.environ and not config_file().is_file():
        raise SettingsError(f"PRICEBRAID_CONFIG: {config_file()} is no file")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']} (was {item['input']!r})"
            for item in error.errors()
        ]
        raise SettingsError("wrong settings:\n  " + "\n  ".join(lines) + "\nSee docs/settings.md.") from error
    except ValueError as error:
        raise SettingsError(f"{config_file()}: {error}") from error

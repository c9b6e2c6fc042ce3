"""The sections of the settings: what each can be set to, with its default. `market.settings` reads them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hosts(_Section):
    """Where the parts reach each other: all on this machine, unless they run in containers."""

    kafka: str = Field("127.0.0.1", description="the Kafka broker")
    jobmanager: str = Field("127.0.0.1", description="Flink's JobManager")
    taskmanager: str = Field("127.0.0.1", description="Flink's TaskManagers")
    market: str = Field("127.0.0.1", description="the market that is simulated or played")
    ingest: str = Field("127.0.0.1", description="ingest, which tells the market's time")


class Ports(_Section):
    """TCP ports on 127.0.0.1."""

    postgres: Port = Field(25432, description="Postgres")
    kafka: Port = Field(29092, description="the Kafka broker")
    kafka_controller: Port = Field(29093, description="the broker's KRaft controller")
    flink: Port = Field(28081, description="Flink's REST interface and web UI")
    flink_rpc: Port = Field(26123, description="the JobManager, for TaskManagers")
    flink_blob: Port = Field(26124, description="the JobManager's blob server, for TaskManagers")
    market: Port = Field(28090, description="the market on localhost (simulated, or a recording)")
    ingest: Port = Field(29101, description="metrics of ingest")
    sequencer: Port = Field(29102, description="metrics of the sequencer")
    repair: Port = Field(29103, description="metrics of repair")
    ingest_2: Port = Field(29104, description="metrics of the second ingest process, where there are two")
    sequencer_2: Port = Field(29105, description="metrics of the second sequencer, where there are two")
    grafana: Port = Field(23000, description="Grafana")
    prometheus: Port = Field(29090, description="Prometheus")
    flink_metrics: Port = Field(
        29110, description="metrics of the JobManager; those of the TaskManagers are on the ports after it"
    )


_NAME = r"^[A-Za-z0-9._-]{1,32}$"


class BinanceSettings(_Section):
    """Where Binance is, and what is asked of it."""

    ws_url: str = Field("wss://data-stream.binance.vision", description="WebSocket base address, without a path")
    rest_url: str = Field("https://data-api.binance.vision", description="REST base address, without a path")
    trade_channel: Literal["aggTrade", "trade"] = Field("aggTrade", description="which stream the trades come from")
    streams_per_connection: Annotated[int, Field(ge=1, le=1024)] = Field(
        200, description="streams on one connection; the venue allows 1024"
    )
    books_seconds: Positive = Field(
        5.0, description="how often bid and ask of symbols that are not followed are asked for over REST"
    )


class KucoinSettings(_Section):
    """Where KuCoin is, and what is asked of it."""

    rest_url: str = Field("https://api.kucoin.com", description="REST base address; it also hands out the socket's")
    ticker_channel: Literal["all", "symbols"] = Field(
        "all", description="tickers from `/market/ticker:all`, or from a topic a symbol"
    )
    topics_per_connection: Annotated[int, Field(ge=1, le=400)] = Field(
        300, description="topics on one connection, a symbol each; the venue allows 400"
    )
    day_figures_seconds: Positive = Field(10.0, description="how often the 24-hour figures are asked for over REST")


class IngestSettings(_Section):
    """Sockets to Kafka."""

    processes: Annotated[int, Field(ge=1, le=2)] = Field(
        1, description="ingest processes that `up` runs: two read everything twice, so that either may fail"
    )
    instance: str = Field(
        "1",
        pattern=_NAME,
        description="name of this process: unlike for any two that run at once, the same after a restart",
    )
    queue_records: Count = Field(100_000, description="records that wait for Kafka before reading sockets pauses")
    queue_megabytes: Annotated[int, Field(ge=1, le=2000)] = Field(
        128, description="megabytes that wait for Kafka before reading sockets pauses"
    )
    flush_seconds: Positive = Field(20.0, description="how long stopping waits for Kafka to take what is queued")
    raw_batch_frames: Count = Field(500, description="frames in one record of a raw topic, at most")
    raw_batch_seconds: Positive = Field(1.0, description="how long a frame waits for its batch, at most")
    ticker_seconds: Positive = Field(0.2, description="a symbol's ticker is published at most this often")
    other_ticker_seconds: Positive = Field(
        1.0, description="the same for symbols that are not followed but trade on both venues"
    )
    silent_seconds: Positive = Field(
        300.0, description="a subscribed symbol that has not sent anything for so long since the start is reported"
    )
    idle_seconds: Positive = Field(60.0, description="a connection without any frame for so long is opened anew")
    stale_seconds: Positive = Field(
        8.0, description="what is silent for so long, and for much longer than its own pace, is stale"
    )
    renew_hours: Annotated[float, Field(gt=0, lt=24)] = Field(
        23.0, description="a connection is replaced, with an overlap, at this age; both venues end it at 24"
    )
    reconnect_max_seconds: Positive = Field(60.0, description="longest wait between tries to connect")
    clock_seconds: Positive = Field(60.0, description="how often the clock's offset to each venue is measured")
    instruments_seconds: Positive = Field(3600.0, description="how often each venue's list of symbols is read")


class KafkaSettings(_Section):
    """The broker, the topics' bounds, and how records are sent."""

    bootstrap: str = Field("127.0.0.1:29092", description="the broker's address; follows `ports.kafka` under `up`")
    partitions: Annotated[int, Field(ge=1, le=64)] = Field(4, description="partitions of the keyed topics")
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = Field(20, description="how long a producer gathers a batch")
    raw_hours: Positive = Field(24.0, description="how long raw frames are kept")
    trades_in_hours: Positive = Field(24.0, description="how long unsequenced trades are kept")
    trades_hours: Positive = Field(96.0, description="how long trades are kept: the correction horizon and a day")
    tickers_hours: Positive = Field(6.0, description="how long tickers are kept")
    events_hours: Positive = Field(24.0 * 30, description="how long feed events, late trades, dead letters are kept")
    candles_hours: Positive = Field(
        24.0 * 7, description="how long `candles_1m` and `rollups` are kept; they are compacted besides"
    )
    topic_bytes: Annotated[int, Field(ge=1 << 23)] = Field(
        2 << 30, description="bytes a partition of a topic may take, but for trades and candles"
    )


class SequencerSettings(_Section):
    """Doubles, order, gaps and lateness."""

    processes: Annotated[int, Field(ge=1, le=2)] = Field(
        1, description="sequencers that `up` runs; they share the partitions"
    )
    instance: str = Field(
        "1",
        pattern=_NAME,
        description="name of this sequencer: unlike for any two that run at once, the same after a restart",
    )
    lateness_seconds: Positive = Field(
        3600.0, description="a streamed trade older than the symbol's newest by more than this is late"
    )
    gap_seconds: Positive = Field(
        1.0, description="how long ids may be out of order or wait for the other feed before they are missing"
    )
    commit_ms: Count = Field(50, description="how often a transaction is committed")


class RepairSettings(_Section):
    """What is fetched over REST: missing trades, candles where trades can't be had, and history."""

    backfill_hours: Annotated[float, Field(ge=0, le=24 * 30)] = Field(
        24.0, description="hours of candles that are fetched when a symbol is first followed, to whole days; 0: none"
    )
    history_per_second: Count = Field(
        500, description="candles of that history that are sent a second and venue, so that live ones stay fresh"
    )
    trades_limit: Count = Field(
        200_000, description="a gap of more trades than this is repaired by the venue's candles instead"
    )
    settle_seconds: Positive = Field(
        5.0, description="how long after its end a minute is asked for; the venue's database lags behind its stream"
    )
    check_seconds: Positive = Field(
        120.0, description="KuCoin's minutes are compared with its own candles after so long, and once more an hour on"
    )
    sample: Annotated[int, Field(ge=0, le=10_000)] = Field(
        100, description="settled minutes of Binance that are compared with its own candles every hour"
    )
    budget: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="share of each venue's REST limit that repair uses"
    )


class FlinkSettings(_Section):
    """The session cluster and the jobs."""

    home: str = Field(
        "", description="folder of a Flink that has our connectors, as its image has; empty: it is made of pip's Flink"
    )
    parallelism: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="parallelism of the jobs that can be spread; more takes more cores, and is faster with many"
    )
    taskmanagers: Annotated[int, Field(ge=1, le=16)] = Field(1, description="TaskManager processes")
    slots: Annotated[int, Field(ge=1, le=64)] = Field(
        8,
        description="slots of each TaskManager: the jobs take four and twice `flink.parallelism`, a query of `sql` one",
    )
    jobmanager_memory: str = Field("768m", pattern=r"^\d+[mg]$", description="memory of the JobManager process")
    taskmanager_memory: str = Field("1536m", pattern=r"^\d+[mg]$", description="memory of a TaskManager process")
    checkpoint_seconds: Positive = Field(10.0, description="time between checkpoints")
    horizon_hours: Positive = Field(72.0, description="how far back candles are corrected from the stream")
    state_hours: Positive = Field(
        120.0, description="how long an untouched candle's state is kept: the horizon and the longest outage"
    )
    second_state_hours: Positive = Field(26.0, description="the same for the 1-second candles")
    mini_batch_ms: Count = Field(50, description="how long the jobs gather rows before they aggregate them")
    flush_ms: Count = Field(50, description="how long rows wait before they are written to Postgres")


class PostgresSettings(_Section):
    """The database, and how long candles are kept in it."""

    host: str = Field("127.0.0.1", description="the server's address")
    database: str = Field("pricebraid", description="the database's name")
    superuser_password: str = Field("", repr=False, description="password of `postgres`; empty: `up` makes its own")
    owner_password: str = Field("", repr=False, description="the same of `pricebraid`")
    writer_password: str = Field("", repr=False, description="the same of `pricebraid_writer`; set under `up`")
    reader_password: str = Field("", repr=False, description="the same of `pricebraid_reader`, which needs none here")
    reader_timeout_seconds: Annotated[float, Field(gt=0, le=86400)] = Field(
        30.0, description="a statement of `pricebraid_reader` is cut after so long, unless its session says otherwise"
    )
    keep_1s_days: Positive = Field(3.0, description="days that 1-second candles are kept")
    keep_1m_days: Positive = Field(400.0, description="days that 1-minute candles are kept")
    keep_5m_days: Positive = Field(800.0, description="days that 5-minute candles are kept")
    keep_15m_days: Positive = Field(1200.0, description="days that 15-minute candles are kept")
    keep_1h_days: Positive = Field(3650.0, description="days that 1-hour candles are kept")
    keep_4h_days: Positive = Field(3650.0, description="days that 4-hour candles are kept")
    keep_1d_days: Positive = Field(36500.0, description="days that 1-day candles are kept")
    keep_events_days: Positive = Field(90.0, description="days that feed events and late trades are kept")


class VerifySettings(_Section):
    """How often candles are recomputed from the trades and compared while the stack runs."""

    every_minutes: Annotated[float, Field(ge=0)] = Field(
        60.0, description="how often what has settled since the last time is verified; 0: never"
    )
    venue_sample: Annotated[int, Field(ge=0, le=1000)] = Field(
        20, description="settled minutes of each venue that are then compared with its own candles, too"
    )


class GrafanaSettings(_Section):
    """Grafana with the dashboards; without it, everything else runs all the same."""

    enabled: bool = Field(default=True, description="whether `up` runs it")
    binary: str = Field(
        "", description="path of the program `grafana`; empty: the one on the PATH, else a release that is fetched"
    )


class PrometheusSettings(_Section):
    """Prometheus, which gathers the metrics; without it, everything else runs all the same."""

    enabled: bool = Field(default=True, description="whether `up` runs it")
    binary: str = Field(
        "", description="path of the program `prometheus`; empty: the one on the PATH, else a release that is fetched"
    )
    keep_days: Count = Field(15, description="days that metrics are kept")
    keep_megabytes: Count = Field(1024, description="megabytes of metrics that are kept; the older go first")


class SimulationSettings(_Section):
    """The simulated market."""

    seed: int = Field(1, description="the same seed makes the same market")
    symbols: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="how many symbols are listed")
    trades_per_second: Positive = Field(100.0, description="trades of both venues and all symbols together")

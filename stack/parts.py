"""All parts of the stack, in the order in which they start."""

from market.settings import Settings
from stack import flink, grafana, kafka, postgres, prometheus
from stack.java import find
from stack.part import Part
from stack.python_parts import ingest_parts, market_part, repair_part, sequencer_parts
from stack.state import State


def all_parts(settings: Settings, state: State) -> list[Part]:
    """Return every part in start order; the market is one only where it is not live.

    Flink's jobs are no parts: they run inside the cluster, and are submitted once it is ready.

    Raises:
        StackError: something that the parts are made of is missing; the text says what and how to get it.
    """
    java = find()
    return [
        postgres.part(settings, state),
        kafka.part(settings, state, java),
        flink.jobmanager_part(settings, state, java),
        *(flink.taskmanager_part(number + 1, settings, state, java) for number in range(settings.flink.taskmanagers)),
        *([] if settings.market == "live" else [market_part(settings)]),
        *sequencer_parts(settings),
        *ingest_parts(settings),
        repair_part(settings),
        *([prometheus.part(settings, state)] if settings.prometheus.enabled else []),
        *([grafana.part(settings, state)] if settings.grafana.enabled else []),
    ]

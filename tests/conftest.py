"""What tests share: at most one running stack, and a Flink client that talks to its cluster."""

import os
import signal
import warnings
from collections.abc import Iterator

import hypothesis
import pytest

from stack.flink_conf import SHORT_LIVED
from tests.stacks import PORTS, Stack, Stacks

# How long an example takes says nothing of what it shows, least on a busy machine.
hypothesis.settings.register_profile(
    "pricebraid", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("pricebraid")

# What a shell runs in the background ignores SIGINT, and so would every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _needs_stack(item: pytest.Item) -> bool:
    return "stacks" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that share a stack come first, so that it can be stopped before the others.

    Then come those that start other real parts: they take longest, and none of them should be what is waited for.
    """
    items.sort(key=lambda item: (not _needs_stack(item), item.get_closest_marker("stack") is None))


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """All stacks of this run; what runs at its end is stopped."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("whole stacks have the same ports: run their tests one after another, without -n", pytrace=False)
    keeper = Stacks(tmp_path_factory.mktemp("stacks"))
    yield keeper
    keeper.stop()
    keeper.remove()


@pytest.fixture(autouse=True)
def free_machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stop the stack after the last test that needs one: it would take half of the machine from all others."""
    if not _needs_stack(request.node):
        yield
        return
    stacks: Stacks = request.getfixturevalue("stacks")
    yield
    items = request.session.items
    following = items[items.index(request.node) + 1 :][:1]
    if not any(map(_needs_stack, following)):
        stacks.stop()


@pytest.fixture
def stack(stacks: Stacks) -> Stack:
    """The stack that runs, whichever it is."""
    return stacks.any()


@pytest.fixture
def flink_home(stack: Stack) -> None:
    """Let PyFlink use the distribution of the running stack, with our connectors in it."""
    home = stack.state / "flink"
    os.environ["FLINK_HOME"] = str(home)
    # Jobs that run within this process look for a configuration there; it may say nothing.
    (home / "conf").mkdir(exist_ok=True)
    (home / "conf" / "config.yaml").write_text("{}\n")
    # The JVM of this process should see what the cluster's see.
    os.environ["JAVA_TOOL_OPTIONS"] = "-Duser.timezone=UTC"
    os.environ["JVM_ARGS"] = " ".join(SHORT_LIVED)
    with warnings.catch_warnings():
        # PyFlink imports Beam, which warns of much that is not ours.
        warnings.simplefilter("ignore")
        from flink_jobs.submit import environment

        environment({})


@pytest.fixture
def cluster(flink_home: None) -> dict[str, str]:
    """Return the Flink options that send a query to the running stack's cluster."""
    return {"execution.target": "remote", "rest.address": "127.0.0.1", "rest.port": str(PORTS["FLINK"])}

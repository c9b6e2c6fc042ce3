"""A broker for tests: librdkafka's mock cluster, which speaks the real protocol from inside this process."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import cimpl

_LIBRARY = ctypes.CDLL(cimpl.__file__)
"""The client's own module, and with it the librdkafka that it is linked to."""

_PRODUCER = 0


@contextmanager
def mock_kafka() -> Iterator[str]:
    """Yield the address of a broker that makes topics as they are asked for, each with four partitions.

    It is made in C: no setting of a client tells it to let the first reader of a group begin at once, and it would have
    each wait three seconds for others.
    """
    create, address = _LIBRARY.rd_kafka_mock_cluster_new, _LIBRARY.rd_kafka_mock_cluster_bootstraps
    _LIBRARY.rd_kafka_new.restype = create.restype = ctypes.c_void_p
    address.restype = ctypes.c_char_p
    owner = ctypes.c_void_p(_LIBRARY.rd_kafka_new(_PRODUCER, None, None, ctypes.c_size_t(0)))
    assert owner, "librdkafka makes no client"
    try:
        cluster = ctypes.c_void_p(create(owner, 1))
        assert cluster, "librdkafka makes no mock cluster"
        try:
            _LIBRARY.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
            yield address(cluster).decode()
        finally:
            _LIBRARY.rd_kafka_mock_cluster_destroy(cluster)
    finally:
        _LIBRARY.rd_kafka_destroy(owner)

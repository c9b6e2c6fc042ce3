"""How the memory of Flink's processes is divided: what Flink's own start scripts ask a JVM for, computed here."""

from dataclasses import dataclass

from stack.errors import StackError

_UNITS = {"m": 1, "g": 1024}


@dataclass(frozen=True)
class Memory:
    """The memory of one process: the options of its JVM, and Flink's configuration that agrees with them."""

    jvm: list[str]
    configuration: dict[str, str]


def megabytes(size: str) -> int:
    """Return the megabytes of a size such as `768m` or `2g`."""
    return int(size[:-1]) * _UNITS[size[-1]]


def jobmanager(size: str) -> Memory:
    """Divide the JobManager's memory: 192 MB for classes, 128 MB direct, a tenth for the JVM, the rest is heap.

    Raises:
        StackError: less than 512 MB.
    """
    total = _at_least(megabytes(size), 512, "flink.jobmanager_memory")
    heap = total - 192 - 128 - total // 10
    return Memory(
        _jvm(heap, 192, 128),
        {
            "jobmanager.memory.heap.size": f"{heap}m",
            "jobmanager.memory.off-heap.size": "128m",
            "jobmanager.memory.jvm-metaspace.size": "192m",
            "jobmanager.memory.jvm-overhead.min": f"{total // 10}m",
            "jobmanager.memory.jvm-overhead.max": f"{total // 10}m",
        },
    )


def taskmanager(size: str, slots: int) -> Memory:
    """Divide a TaskManager's memory: 256 MB for classes, a tenth for the JVM, and of the rest two fifths for state.

    State is RocksDB's and lies outside the heap (Flink calls it managed). Network buffers take 8 MB a slot, 64 MB at
    least; 128 MB more are direct. The remainder is heap.

    Raises:
        StackError: less than 1 GB.
    """
    total = _at_least(megabytes(size), 1024, "flink.taskmanager_memory")
    overhead = total // 10
    flink = total - 256 - overhead
    managed = flink * 2 // 5
    network = max(64, 8 * slots)
    heap = flink - managed - network - 128
    if heap < 256:
        raise StackError(
            f"{slots} slots leave the TaskManager {heap} MB of heap; 256 MB are needed.",
            "Raise flink.taskmanager_memory or lower flink.slots.",
        )
    return Memory(
        _jvm(heap, 256, 128 + network),
        {
            "taskmanager.cpu.cores": str(float(slots)),
            "taskmanager.memory.framework.heap.size": "64m",
            "taskmanager.memory.task.heap.size": f"{heap - 64}m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.task.off-heap.size": "0m",
            "taskmanager.memory.network.min": f"{network}m",
            "taskmanager.memory.network.max": f"{network}m",
            "taskmanager.memory.managed.size": f"{managed}m",
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": f"{overhead}m",
            "taskmanager.memory.jvm-overhead.max": f"{overhead}m",
        },
    )


def _jvm(heap: int, classes: int, direct: int) -> list[str]:
    """Return the options for so many megabytes. Without the first size, room for classes grows by full collections."""
    return [
        f"-Xms{heap}m",
        f"-Xmx{heap}m",
        f"-XX:MetaspaceSize={classes}m",
        f"-XX:MaxMetaspaceSize={classes}m",
        f"-XX:MaxDirectMemorySize={direct}m",
    ]


def _at_least(total: int, least: int, name: str) -> int:
    if total < least:
        raise StackError(f"{name} is {total} MB; Flink needs {least} MB at least.", f"Raise {name}.")
    return total

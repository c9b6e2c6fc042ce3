"""What Flink's Prometheus reporter exports, as far as panels and alerts may ask for it: recorded from Flink 2.2's docs.

A name is `flink_`, the scope, and the metric's name, each joined by `_`; what a scope is of are its labels (Operations,
Metrics: Scope, List of all variables; Deployment, Metric Reporters: Prometheus). All are gauges.
"""

_JOB_MANAGER = ("host",)
_TASK_MANAGER = ("host", "tm_id")
_JOB = ("job_id", "job_name")
_TASK = ("task_id", "task_name", "task_attempt_id", "task_attempt_num", "subtask_index")
_OPERATOR = ("operator_id", "operator_name")

_SCOPES: dict[str, tuple[tuple[str, ...], str]] = {
    "jobmanager": (
        _JOB_MANAGER,
        "numRegisteredTaskManagers numRunningJobs taskSlotsAvailable taskSlotsTotal",
    ),
    "jobmanager_Status_JVM_Memory": (_JOB_MANAGER, "Heap_Used Heap_Committed Heap_Max"),
    "taskmanager_Status_JVM_Memory": (_TASK_MANAGER, "Heap_Used Heap_Committed Heap_Max"),
    "jobmanager_job": (
        _JOB_MANAGER + _JOB,
        "numRestarts lastCheckpointDuration lastCheckpointSize lastCheckpointFullSize lastCheckpointCompletedTimestamp "
        "numberOfInProgressCheckpoints numberOfCompletedCheckpoints numberOfFailedCheckpoints",
    ),
    "taskmanager_job_task": (
        _TASK_MANAGER + _JOB + _TASK,
        "numRecordsIn numRecordsInPerSecond numRecordsOut numRecordsOutPerSecond isBackPressured idleTimeMsPerSecond "
        "busyTimeMsPerSecond backPressuredTimeMsPerSecond",
    ),
    # Sources that tell how much they have not read yet (Connectors, Kafka: Monitoring).
    "taskmanager_job_task_operator": (_TASK_MANAGER + _JOB + _TASK + _OPERATOR, "pendingRecords numRecordsInErrors"),
}

METRICS: dict[str, tuple[str, ...]] = {
    f"flink_{scope}_{name}": labels for scope, (labels, names) in _SCOPES.items() for name in names.split()
}
"""The labels of each metric, by its name in Prometheus."""

NAMES = {part for _, names in _SCOPES.values() for name in names.split() for part in name.split("_")}
"""What Flink itself calls them, group by group."""

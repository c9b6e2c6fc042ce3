"""The Flink SQL jobs: one module a job, which names its SQL and submits it."""

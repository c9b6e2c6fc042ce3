"""The sequencer: merges redundant feeds into one clean stream a symbol, each trade once.

`core` and `seen` judge trades and are pure; `validity` refuses what no reader downstream could read; `rebuild` and
`edge` are the parts that talk to Kafka.
"""

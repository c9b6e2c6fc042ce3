"""Sockets to Kafka: every frame of the venues verbatim, and the trades, tickers and feed events that they hold."""

"""What was missed, fetched over REST: trades where the venue still has them, else its own candles; and history.

It works through the open gaps of the sequencer's ledger, the worst first, and compares settled minutes with the
venue's own. Nothing of it is kept in memory alone: what is to be done follows from the topic `gaps`, and how far checks
and backfills have come stands in Postgres.
"""

"""Other people's trade feeds, pointed at the market on localhost, each in a Python environment of its own.

The modules `with_…` run there (`python -m bench.foreign.with_ccxt`): they use their library and the standard library.
"""

"""The vocabulary that every part shares: records, symbols, topics, settings, recordings.

Nothing here imports another package of Pricebraid.
"""

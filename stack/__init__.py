"""Starts, watches and stops the parts of Pricebraid on one machine."""

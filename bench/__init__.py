"""Measurements as commands, `./pricebraid bench NAME`. Modules that begin with `_` are what they are made of."""

"""A market on localhost that speaks the protocols of both venues: simulated, or played from a recording."""

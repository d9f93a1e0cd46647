"""Writes a whole territory's raw exports in the platforms' own formats, with known truth.

Belongs here: one module per platform, and the little they share. Does not: reading those formats back (ingestion does,
and must not share code with what it is tested against), nor anything about the lake.
"""

from simulation.run import simulate

__all__ = ["simulate"]

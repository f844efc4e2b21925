"""Writes: results, moderation, and the upkeep of the rank counters."""

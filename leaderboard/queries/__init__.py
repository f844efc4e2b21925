"""Reads: boards, who stands on them, and where."""

"""Reads: levels and how much there is to play on them, pages, contents, and players' archives."""

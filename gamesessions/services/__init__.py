"""Writes: sessions begin, are saved and end; events come in; moderators void; history goes."""

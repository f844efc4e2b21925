"""Writes: players come to be, change, are banned, go, and take what is theirs along."""

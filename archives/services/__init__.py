"""Writes: content comes in, players archive what they found, tools are let in and shut out."""

"""What clients of Convex may call of content, archives and runs. Importing it declares them all."""

from archives.functions import content, runs

__all__ = ["content", "runs"]

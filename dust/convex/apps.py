"""Wiring of what Convex clients are served by."""

from django.apps import AppConfig


class ConvexConfig(AppConfig):
    """The door for Convex clients, and the commands that go with it."""

    name = "dust.convex"
    label = "convex"
    default_auto_field = "django.db.models.BigAutoField"

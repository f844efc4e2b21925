"""The project's settings, and an app for the benchmarks of what Convex clients call."""

from dust.settings import *  # noqa: F403 - all of them
from dust.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [*PROJECT_APPS, "tests.bench.bank"]

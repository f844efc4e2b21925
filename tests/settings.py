"""The project's settings, and the app of test models."""

from dust.settings import *  # noqa: F403 - all of them
from dust.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [*PROJECT_APPS, "tests.livequery_app"]

"""The project's settings, the apps of test models and functions, and the example of an app."""

from dust.settings import *  # noqa: F403 - all of them
from dust.settings import INSTALLED_APPS as PROJECT_APPS

INSTALLED_APPS = [
    *PROJECT_APPS,
    "tests.clients_app",
    "tests.livequery_app",
    "tests.messages_example",
]

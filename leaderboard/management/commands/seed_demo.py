"""Something to look at on the boards of a fresh installation."""

from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from leaderboard.services.demo import seed_demo


class Command(BaseCommand):
    """Add the demo players and their results, as far as they are not there."""

    help = "Put some players and scores on every board. Running it again changes nothing."

    @override
    def handle(self, **options: Any) -> str:
        return f"Added {seed_demo()} entries."

"""Players and results for a first look at a fresh installation."""

import random
from datetime import UTC, datetime, timedelta

from django.db import transaction

from accounts.services.players import ensure_user
from dust.identity import Identity
from leaderboard.models import Entry
from leaderboard.rules import COOP, LEVEL_OF_BOARD, MAX_LEVEL, Play, Source
from leaderboard.services.scores import submit_score

ISSUER = "demo"
"""Nobody's tokens come from there: demo players cannot sign in."""

_PLAYERS = (
    *("ash", "bitrot", "cachemiss", "dustmote", "echo404", "fader", "glyph", "halflife"),
    *("inkwell", "jetsam", "kernel", "lostlink", "mothwing", "nullbyte", "opal", "palimpsest"),
    *("quill", "redshift", "silt", "tarnish", "umbra", "verdigris", "wayback", "xerox"),
    *("yesterpage", "zeroday", "afterglow", "brittle", "cinder", "driftwood", "emberly", "fossil"),
    *("gossamer", "hollow", "ivory", "juniper", "keepsake", "lantern", "mosaic", "nomad"),
)
_FIRST = datetime(2026, 1, 5, 18, tzinfo=UTC)
_SHARE = 0.8
"""How many of the players have played a board."""


def seed_demo() -> int:
    """Give every board some entries; return how many are new.

    The same ones each time: run again, it adds only what has been deleted since.
    """
    with transaction.atomic():
        users = {
            name: ensure_user(Identity(ISSUER, name, {"nickname": name}), now=_FIRST)
            for name in _PLAYERS
        }
        entries = Entry.objects.filter(user__issuer=ISSUER)
        there = set(entries.values_list("board_id", "user_id"))
        added = 0
        for board in LEVEL_OF_BOARD:
            for name, user in users.items():
                luck = random.Random(f"{board} {name}")  # noqa: S311 - the same in every run
                if luck.random() > _SHARE or (board, user.id) in there:
                    continue
                submit_score(
                    board,
                    play=_play(board, luck),
                    user_id=user.id,
                    source=Source.MATCH if board == COOP else Source.CLAIMED,
                    now=_FIRST + timedelta(minutes=luck.randrange(60 * 24 * 60)),
                )
                added += 1
    return added


def _play(board: str, luck: random.Random) -> Play:
    """Return a result as a game might end: points for true sections, fewer for a shorter run."""
    pages = luck.randint(1, 5)
    accuracy = luck.randint(55, 100)
    return Play(
        score=pages * luck.randint(20, 50) * accuracy // 20,
        accuracy=accuracy,
        level=LEVEL_OF_BOARD[board] or luck.randint(1, MAX_LEVEL),
        pages_completed=pages,
    )

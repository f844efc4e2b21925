"""Results that come along from another deployment."""

from dataclasses import asdict
from functools import partial
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from msgspec import UNSET, UnsetType

from accounts.services.importing import ensure_player
from dust import ids
from dust.moving import Moved, read_moment
from leaderboard import rules
from leaderboard.models import Attempt, Entry
from leaderboard.rules import Kind, Play, Source
from leaderboard.services.ranks import fold_rank_deltas
from leaderboard.services.scores import REPLACED, UPKEEP_EVERY


class EntryFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A player's best on a board, as their client has claimed it. ``clerk_id`` says whose it is."""

    user_id: str
    clerk_id: str
    username: str
    avatar_url: str
    score: float
    accuracy: float
    level: float
    pages_completed: float
    achieved_at: float
    leaderboard_type: Kind = Kind.SOLO
    board_key: str | UnsetType = UNSET


def import_entry(moved: Moved[EntryFields]) -> bool:
    """Add a result, which becomes the player's entry if it beats the one they have.

    Of equal ones the earlier stays. It is history: no bound of today's content holds for it. It
    is a claim all the same, and ranks as claims do. An entry that it makes has a new key, which
    tells when it was made. Returns whether the result was not here yet.

    :raises BoardNotFoundError: if there is no such board.
    :raises InvalidPlayError: if a number is out of bounds.
    :raises LevelMismatchError: if the board is for another level.
    :raises InvalidError: if it says of nobody, or does not say when it was.
    :raises AccountDeletedError: if the account was deleted here.
    """
    fields = moved.fields
    key = ids.dated(moved.key, moved.made_at)
    if Attempt.objects.filter(id=key).exists():
        return False
    board = fields.board_key or rules.board_of(fields.leaderboard_type, fields.level)
    asked = Play(fields.score, fields.accuracy, fields.level, fields.pages_completed)
    play = rules.check_play(board, asked)
    achieved_at = read_moment("achievedAt", fields.achieved_at)
    player = ensure_player(
        moved.issuer,
        fields.clerk_id,
        username=fields.username,
        avatar_url=fields.avatar_url,
        now=moved.made_at,
    )
    result: dict[str, Any] = {
        "id": key,
        "board_id": board,
        "user_id": player.id,
        "source": Source.CLAIMED,
        **asdict(play),
    }
    entry = Entry(
        **result,
        ranked=Source.CLAIMED in settings.LEADERBOARD_RANKED_SOURCES,
        achieved_at=achieved_at,
        suspended=player.is_banned,
    )
    Attempt.objects.create(**result, improved=_put_in_place(entry), created_at=achieved_at)
    if key.int % UPKEEP_EVERY == 0:
        transaction.on_commit(partial(fold_rank_deltas, board), robust=True)
    return True


def _put_in_place(entry: Entry) -> bool:
    """Make it the player's entry, unless they have one that is no worse; return whether it is."""
    own = Entry.objects.filter(board_id=entry.board_id, user_id=entry.user_id)
    best = own.select_for_update().first()
    if best is None:
        entry.save(force_insert=True)
        return True
    if _merit(entry) <= _merit(best):
        return False
    for name in REPLACED:
        setattr(best, name, getattr(entry, name))
    best.save(update_fields=REPLACED)
    return True


def _merit(entry: Entry) -> tuple[bool, int, float]:
    return entry.ranked, entry.score, -entry.achieved_at.timestamp()

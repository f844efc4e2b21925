"""Players' results."""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dust.livequery.changes import wrote
from leaderboard import rules
from leaderboard.models import Attempt, Entry
from leaderboard.rules import Play, Source, Status
from leaderboard.services.ranks import fold_rank_deltas

FOLD_EVERY = 512
"""One submission in so many folds its board's deltas, of which it finds twice as many at most: so
they stay few even where nothing else folds them."""

_REPLACED = (
    "score",
    "accuracy",
    "level",
    "pages_completed",
    "source",
    "ranked",
    "achieved_at",
)
_COLUMNS = ("id", "board_id", "user_id", *_REPLACED, "hidden", "hidden_reason")


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a result, and the player's best on the board after it."""

    status: Status
    best: Entry


def submit_score(
    board: str, *, play: Play, user_id: UUID, source: Source, now: datetime
) -> Submission:
    """Record a player's result, which becomes their entry if it beats the one they have.

    An equal score leaves the older one, and a result whose source does not rank never takes the
    place of one whose source does. However many of a player's results arrive at once, the best one
    stays: on PostgreSQL this is one statement, and asks for no more than READ COMMITTED.

    :raises BoardNotFoundError: if there is no such board.
    :raises InvalidPlayError: if a number is out of bounds; fields and limits are named.
    :raises LevelMismatchError: if the board is for another level.
    """
    result: dict[str, Any] = {
        "board_id": board,
        "user_id": user_id,
        "source": source,
        **asdict(rules.check_play(board, play)),
    }
    attempt = Attempt(**result, created_at=now)
    entry = Entry(**result, ranked=source in settings.LEADERBOARD_RANKED_SOURCES, achieved_at=now)
    with transaction.atomic(savepoint=False):
        if connection.vendor == "postgresql":
            submission = _submit_at_once(entry, attempt)
        else:
            submission = _submit_in_steps(entry, attempt)
        if attempt.id.int % FOLD_EVERY == 0:
            transaction.on_commit(partial(fold_rank_deltas, board), robust=True)
    return submission


def remove_player(user_id: UUID) -> None:
    """Delete everything that a player has left on the boards."""
    with transaction.atomic():
        Entry.objects.filter(user_id=user_id).delete()
        Attempt.objects.filter(user_id=user_id).delete()


def _beats(entry: Entry, best: Entry) -> bool:
    return (entry.ranked, entry.score) > (best.ranked, best.score)


def _submit_in_steps(entry: Entry, attempt: Attempt) -> Submission:
    """Do it in a transaction that excludes every other writer, as SQLite's do."""
    best = Entry.objects.filter(board_id=entry.board_id, user_id=entry.user_id).first()
    if best is None:
        status, best = Status.CREATED, entry
        best.save(force_insert=True)
    elif _beats(entry, best):
        status = Status.UPDATED
        for name in _REPLACED:
            setattr(best, name, getattr(entry, name))
        best.save(update_fields=_REPLACED)
    else:
        status = Status.UNCHANGED
    attempt.improved = status is not Status.UNCHANGED
    attempt.save(force_insert=True)
    return Submission(status, best)


def _submit_at_once(entry: Entry, attempt: Attempt) -> Submission:
    """Do it in one statement, which waits for whoever is writing the same player's entry."""
    values = {name: getattr(entry, name) for name in _COLUMNS} | {"attempt_id": attempt.id}
    player: dict[str, Any] = {"board_id": entry.board_id, "user_id": entry.user_id}
    with connection.cursor() as cursor:
        cursor.execute(_SUBMIT, values)
        improved, *found = cursor.fetchone() or [False]
    wrote(Attempt, id=attempt.id, **player)
    best = Entry(**dict(zip(_COLUMNS, found, strict=True))) if found else None
    if best is None or (not improved and _beats(entry, best)):
        # What beat it was committed while the statement ran, too late for its snapshot; the next
        # statement's shows it.
        best = Entry.objects.get(**player)
    if not improved:
        return Submission(Status.UNCHANGED, best)
    is_new = best.id == entry.id
    wrote(
        Entry,
        columns=None if is_new else _REPLACED,
        id=best.id,
        hidden=best.hidden,
        ranked={best.ranked, False},  # it may not have ranked before
        **player,
    )
    return Submission(Status.CREATED if is_new else Status.UPDATED, best)


_SUBMIT = """
    WITH written AS (
        INSERT INTO leaderboard_entry AS entry (
            id, board_id, user_id, score, accuracy, level, pages_completed, source, ranked,
            achieved_at, hidden, hidden_reason
        ) VALUES (
            %(id)s, %(board_id)s, %(user_id)s, %(score)s, %(accuracy)s, %(level)s,
            %(pages_completed)s, %(source)s, %(ranked)s, %(achieved_at)s, false, ''
        )
        ON CONFLICT (user_id, board_id) DO UPDATE SET
            score = excluded.score,
            accuracy = excluded.accuracy,
            level = excluded.level,
            pages_completed = excluded.pages_completed,
            source = excluded.source,
            ranked = excluded.ranked,
            achieved_at = excluded.achieved_at
        WHERE (excluded.ranked, excluded.score) > (entry.ranked, entry.score)
        RETURNING *
    ), best AS (
        SELECT true AS improved, * FROM written
        UNION ALL
        SELECT false, * FROM leaderboard_entry
        WHERE board_id = %(board_id)s AND user_id = %(user_id)s
        AND NOT EXISTS (SELECT FROM written)
    ), attempt AS (
        INSERT INTO leaderboard_attempt (
            id, board_id, user_id, score, accuracy, level, pages_completed, source, improved,
            created_at
        ) VALUES (
            %(attempt_id)s, %(board_id)s, %(user_id)s, %(score)s, %(accuracy)s, %(level)s,
            %(pages_completed)s, %(source)s, EXISTS (SELECT FROM written), %(achieved_at)s
        )
    )
    SELECT improved, id, board_id, user_id, score, accuracy, level, pages_completed, source, ranked,
        achieved_at, hidden, hidden_reason
    FROM best
"""

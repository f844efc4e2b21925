"""Players' results."""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Subquery

from accounts.models import User
from dust.limits import Limit
from dust.livequery.changes import wrote
from leaderboard import rules
from leaderboard.models import Attempt, Entry, Result, ScoreBound
from leaderboard.rules import Play, Source, Status
from leaderboard.services.attempts import trim_attempts
from leaderboard.services.ranks import fold_rank_deltas

SUBMISSIONS = Limit("leaderboard.submit", rules.SUBMISSIONS_PER_MINUTE, 60)

UPKEEP_EVERY = 512
"""One submission in so many folds its board's deltas, of which it finds twice as many at most: so
they stay few even where nothing else folds them. It also lets go of its player's old attempts."""

REPLACED = (*Result.VALUES, "ranked", "achieved_at")
_COLUMNS = ("id", "board_id", "user_id", *REPLACED, "hidden", "hidden_reason", "suspended")


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
    stays: on PostgreSQL this is one statement, and asks for no more than READ COMMITTED. It sees
    whether the player is banned under the lock that a ban waits for, so that a new entry is
    suspended exactly if its player is banned.

    :raises BoardNotFoundError: if there is no such board.
    :raises InvalidPlayError: if a number is out of bounds; fields and limits are named.
    :raises LevelMismatchError: if the board is for another level.
    :raises ScoreAboveBoundError: if it is claimed and cannot be had; the limit is named.
    """
    play = rules.check_play(board, play)
    result: dict[str, Any] = {
        "board_id": board,
        "user_id": user_id,
        "source": source,
        **asdict(play),
    }
    attempt = Attempt(**result, created_at=now)
    entry = Entry(**result, ranked=source in settings.LEADERBOARD_RANKED_SOURCES, achieved_at=now)
    with transaction.atomic(savepoint=False):
        if connection.vendor == "postgresql":
            submission, bound = _submit_at_once(entry, attempt)
        else:
            submission, bound = _submit_in_steps(entry, attempt)
        if source is Source.CLAIMED:
            rules.check_bound(play, bound)
        if attempt.id.int % UPKEEP_EVERY == 0:
            transaction.on_commit(partial(fold_rank_deltas, board), robust=True)
            transaction.on_commit(partial(trim_attempts, board, user_id), robust=True)
    return submission


def _beats(entry: Entry, best: Entry) -> bool:
    return (entry.ranked, entry.score) > (best.ranked, best.score)


def _submit_in_steps(entry: Entry, attempt: Attempt) -> tuple[Submission, int | None]:
    """Do it in a transaction that excludes every other writer, as SQLite's do.

    Returns what may be claimed as well.
    """
    bounds = ScoreBound.objects.filter(
        board_id=entry.board_id, pages_completed__lte=entry.pages_completed
    )
    highest = Subquery(bounds.order_by("-pages_completed").values("score")[:1])
    own = Entry.objects.filter(board_id=entry.board_id, user_id=entry.user_id)
    found: Any = own.annotate(bound=highest).first()
    best, bound = (entry, None) if found is None else (found, found.bound)
    if found is None:
        player = User.objects.filter(id=entry.user_id).annotate(bound=highest)
        best.suspended, bound = player.values_list("is_banned", "bound").get()
        status = Status.CREATED
        best.save(force_insert=True)
    elif _beats(entry, best):
        status = Status.UPDATED
        for name in REPLACED:
            setattr(best, name, getattr(entry, name))
        best.save(update_fields=REPLACED)
    else:
        status = Status.UNCHANGED
    attempt.improved = status is not Status.UNCHANGED
    attempt.save(force_insert=True)
    return Submission(status, best), bound


def _submit_at_once(entry: Entry, attempt: Attempt) -> tuple[Submission, int | None]:
    """Do it in one statement, which waits for whoever is writing the same player's entry.

    Returns what may be claimed as well: looked up by the same statement, and not before.
    """
    values = {name: getattr(entry, name) for name in _COLUMNS} | {"attempt_id": attempt.id}
    player: dict[str, Any] = {"board_id": entry.board_id, "user_id": entry.user_id}
    with connection.cursor() as cursor:
        cursor.execute(_SUBMIT, values)
        bound, improved, *found = cursor.fetchone()
    wrote(Attempt, id=attempt.id, **player)
    best = None if improved is None else Entry(**dict(zip(_COLUMNS, found, strict=True)))
    if best is None or (not improved and _beats(entry, best)):
        # What beat it was committed while the statement ran, too late for its snapshot; the next
        # statement's shows it.
        best = Entry.objects.get(**player)
    if not improved:
        return Submission(Status.UNCHANGED, best), bound
    is_new = best.id == entry.id
    wrote(
        Entry,
        columns=None if is_new else REPLACED,
        id=best.id,
        hidden=best.hidden,
        suspended=best.suspended,
        ranked={best.ranked, False},  # it may not have ranked before
        **player,
    )
    return Submission(Status.CREATED if is_new else Status.UPDATED, best), bound


_SUBMIT = """
    WITH player AS (
        SELECT is_banned FROM accounts_user WHERE id = %(user_id)s FOR KEY SHARE
    ), written AS (
        INSERT INTO leaderboard_entry AS entry (
            id, board_id, user_id, score, accuracy, level, pages_completed, source, ranked,
            achieved_at, hidden, hidden_reason, suspended
        ) VALUES (
            %(id)s, %(board_id)s, %(user_id)s, %(score)s, %(accuracy)s, %(level)s,
            %(pages_completed)s, %(source)s, %(ranked)s, %(achieved_at)s, false, '',
            (SELECT is_banned FROM player)
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
    SELECT (
            SELECT score FROM leaderboard_scorebound
            WHERE board_id = %(board_id)s AND pages_completed <= %(pages_completed)s
            ORDER BY pages_completed DESC LIMIT 1
        ) AS bound,
        improved, id, board_id, user_id, score, accuracy, level, pages_completed, source, ranked,
        achieved_at, hidden, hidden_reason, suspended
    FROM (SELECT) AS one LEFT JOIN best ON true
"""

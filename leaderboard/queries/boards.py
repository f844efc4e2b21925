"""What boards show: their best, one player's own place, and those around it.

Names and pictures are looked up in a second query instead of being joined, so that a new name
concerns only the boards that show it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.core import signing
from django.db.models import F

from accounts.models import User
from accounts.queries import Player, find_player
from dust import ids
from dust.livequery.context import Caller
from leaderboard import rules
from leaderboard.errors import InvalidCursorError
from leaderboard.models import Board, Entry, EntryQuerySet
from leaderboard.queries.ranks import get_rank

_signer = signing.Signer(salt="leaderboard.cursor")


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry as a board shows it. ``rank`` is None if the entry is not listed.

    ``subject`` is the player's at their issuer.
    """

    id: UUID
    board: str
    rank: int | None
    user_id: UUID
    subject: str
    username: str
    avatar_url: str
    score: int
    accuracy: float
    level: int
    pages_completed: int
    source: str
    achieved_at: datetime

    @property
    def public_id(self) -> str:
        """The id under which every door knows the entry."""
        return ids.encode(Entry.TABLE_NUMBER, self.id)

    @property
    def user_public_id(self) -> str:
        """The id under which every door knows the player."""
        return ids.encode(User.TABLE_NUMBER, self.user_id)

    @property
    def created_at(self) -> datetime:
        """When the player came to be on the board."""
        return ids.made_at(self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a board, best first. ``next_cursor`` leads to what follows; None at the end."""

    standings: list[Standing]
    next_cursor: str | None


class _Place(NamedTuple):
    """Where something stands in the order of a board, whether or not it is still there."""

    score: int
    achieved_at: datetime
    id: UUID


def list_boards() -> list[Board]:
    """Return all boards, those for a level first."""
    return list(Board.objects.order_by(F("level").asc(nulls_last=True), "key"))


def get_top(board: str, *, limit: int = rules.DEFAULT_TOP, cursor: str | None = None) -> Page:
    """Return the best entries, or those that follow the page that gave out the cursor.

    A cursor stands for a place between two entries, so that nothing is shown twice or left out
    because of what came or went above it.

    :raises BoardNotFoundError: if there is no such board.
    :raises InvalidCursorError: if the cursor was not given out for this board.
    """
    listed = _listed(board)
    if cursor is None:
        found = list(listed.in_order()[: limit + 1])
    else:
        found = _following(listed, _place_at(board, cursor), limit + 1)
    shown = found[:limit]
    return Page(
        standings=_standings(shown, is_top=cursor is None),
        next_cursor=_cursor_after(shown[-1]) if len(found) > limit else None,
    )


def find_my_entry(board: str, *, caller: Caller | None) -> Standing | None:
    """Return the caller's own entry, None for nobody and for whoever has none.

    A hidden entry is still shown to its player, without a rank.

    :raises BoardNotFoundError: if there is no such board.
    :raises AccountBannedError: as ``accounts.queries.find_player`` does, and the other refusals.
    """
    rules.check_board(board)
    player = find_player(caller)
    entry = _find_entry(board, player)
    if player is None or entry is None:
        return None
    rank = get_rank(board, entry.score) if entry.is_listed else None
    return _standing(entry, rank, player)


def list_around(
    board: str, *, caller: Caller | None, radius: int = rules.DEFAULT_RADIUS
) -> list[Standing]:
    """Return the caller's entry between as many better and as many worse ones; none if unlisted.

    :raises BoardNotFoundError: if there is no such board.
    :raises AccountBannedError: as ``accounts.queries.find_player`` does, and the other refusals.
    """
    listed = _listed(board)
    entry = _find_entry(board, find_player(caller))
    if entry is None or not entry.is_listed:
        return []
    better = _preceding(listed, _place_of(entry), radius)
    worse = _following(listed, _place_of(entry), radius)
    return _standings([*better, entry, *worse], is_top=False)


def _listed(board: str) -> EntryQuerySet:
    return Entry.objects.listed().filter(board_id=rules.check_board(board))


def _find_entry(board: str, player: Player | None) -> Entry | None:
    if player is None:
        return None
    return Entry.objects.filter(board_id=board, user_id=player.id).first()


def _following(listed: EntryQuerySet, place: _Place, count: int) -> list[Entry]:
    """Return the entries after the place; each query is one stretch of the index."""
    equal = listed.filter(score=place.score, achieved_at__gte=place.achieved_at)
    later = equal.exclude(achieved_at=place.achieved_at, id__lte=place.id).in_order()
    worse = listed.filter(score__lt=place.score).in_order()
    return _first_of(later, worse, count)


def _preceding(listed: EntryQuerySet, place: _Place, count: int) -> list[Entry]:
    """Return the entries before the place, best first."""
    equal = listed.filter(score=place.score, achieved_at__lte=place.achieved_at)
    earlier = equal.exclude(achieved_at=place.achieved_at, id__gte=place.id).in_order().reverse()
    better = listed.filter(score__gt=place.score).in_order().reverse()
    return _first_of(earlier, better, count)[::-1]


def _first_of(near: EntryQuerySet, far: EntryQuerySet, count: int) -> list[Entry]:
    found = list(near[:count])
    return found if len(found) == count else [*found, *far[: count - len(found)]]


def _standings(entries: Sequence[Entry], *, is_top: bool) -> list[Standing]:
    """Return what is shown of entries that follow each other on their board."""
    ids = {entry.user_id for entry in entries}
    users = User.objects.filter(id__in=ids).values_list(*Player._fields)
    players = {row[0]: Player(*row) for row in users}
    return [
        _standing(entry, rank, players[entry.user_id])
        for entry, rank in zip(entries, _ranks(entries, is_top=is_top), strict=True)
        if entry.user_id in players  # outside a snapshot, a player may have gone in between
    ]


def _ranks(entries: Sequence[Entry], *, is_top: bool) -> list[int]:
    """Return the ranks of entries that follow each other, asking for two of them at most.

    Where a score is new, the rank is the place counted from the top. How far down the list begins
    is known once one such rank is; not from the first score's, which others may share further up.
    """
    ranks: list[int] = []
    begins_at = 1 if is_top else None
    for index, entry in enumerate(entries):
        if index and entry.score == entries[index - 1].score:
            ranks.append(ranks[-1])
        elif begins_at is not None:
            ranks.append(begins_at + index)
        else:
            ranks.append(get_rank(entry.board_id, entry.score))
            begins_at = ranks[-1] - index if index else None
    return ranks


def _standing(entry: Entry, rank: int | None, player: Player) -> Standing:
    return Standing(
        id=entry.id,
        board=entry.board_id,
        rank=rank,
        user_id=player.id,
        subject=player.subject,
        username=player.username,
        avatar_url=player.avatar_url,
        score=entry.score,
        accuracy=entry.accuracy,
        level=entry.level,
        pages_completed=entry.pages_completed,
        source=entry.source,
        achieved_at=entry.achieved_at,
    )


def _place_of(entry: Entry) -> _Place:
    return _Place(entry.score, entry.achieved_at, entry.id)


def _cursor_after(entry: Entry) -> str:
    place = [entry.board_id, entry.score, entry.achieved_at.isoformat(), entry.id.hex]
    return _signer.sign_object(place)


def _place_at(board: str, cursor: str) -> _Place:
    """Read a cursor; what bears our signature is as we wrote it.

    :raises InvalidCursorError: if it does not, or leads into another board.
    """
    try:
        of_board, score, achieved_at, key = _signer.unsign_object(cursor)
    except signing.BadSignature as exc:
        raise InvalidCursorError from exc
    if of_board != board:
        raise InvalidCursorError
    return _Place(score, datetime.fromisoformat(achieved_at), UUID(key))

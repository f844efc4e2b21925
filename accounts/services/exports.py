"""Everything that is held about a player, as each app knows it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO, Any
from uuid import UUID

import msgspec

from accounts.models import Ban, User
from accounts.queries import check_not_deleted, find_user
from dust import ids
from dust.livequery.context import Caller

Export = Callable[[UUID], Iterator[dict[str, Any]]]

_parts: dict[str, Export] = {}


def register_part(name: str, export: Export) -> None:
    """Have a player's copy of what is held about them hold what ``export`` yields, under a name.

    It is given the player's key and yields objects that JSON can hold (times, UUIDs and bytes
    among them), one row at a time and not all at once. It runs in a snapshot.

    :raises ValueError: if the name is taken.
    """
    if name in _parts:
        raise ValueError(f"There is a part named {name} already.")
    _parts[name] = export


def write_export(caller: Caller, out: IO[bytes], *, now: datetime) -> None:
    """Write the caller's copy of what is held about them as one JSON object.

    ``{"exported_at", "account", "parts": {name: [row, …]}}``, where the account is null for whoever
    has no row. Nobody is refused but whose account was deleted. However much there is, one row at
    a time is in memory.

    :raises AccountDeletedError: if the account was deleted.
    """
    user = find_user(caller)
    if user is None:
        check_not_deleted(caller.issuer, caller.subject)
    account = None if user is None else _account(user)
    out.write(b'{"exported_at":%b,"account":%b,"parts":{' % (_json(now), _json(account)))
    for index, (name, export) in enumerate(_parts.items()):
        out.write(b",%b:[" % _json(name) if index else b"%b:[" % _json(name))
        for number, row in enumerate(() if user is None else export(user.id)):
            out.write(b",%b" % _json(row) if number else _json(row))
        out.write(b"]")
    out.write(b"}}")


def export_bans(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield the bans that the player has been under; by whom stays with those who moderate."""
    columns = ("reason", "banned_at", "until", "lifted_at", "lifted_reason")
    yield from Ban.objects.filter(user_id=user_id).order_by("id").values(*columns).iterator()


def _account(user: User) -> dict[str, Any]:
    return {
        "id": ids.encode(User.TABLE_NUMBER, user.id),
        "issuer": user.issuer,
        "subject": user.subject,
        "username": user.username,
        "avatar_url": user.avatar_url,
        "email": user.email,
        "created_at": user.created_at,
        "announced_at": user.announced_at,
        "is_active": user.is_active,
        "is_banned": user.is_banned,
    }


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)

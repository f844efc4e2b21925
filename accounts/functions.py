"""What clients of Convex may call of accounts, and what the scheduler calls.

They know people by ``clerkId``, the subject of their token.
"""

from typing import Any
from uuid import UUID

import msgspec

from accounts import queries
from accounts.queries import Account, UserId
from accounts.services import bans, clerk, deletion, players
from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.registry import internal_mutation, mutation, query
from dust.livequery.scheduler import Every, cron
from dust.livequery.shapes import AnyArgs, Args, Millis, NoArgs, milliseconds
from dust.livequery.transactions import Isolation


class SyncArgs(Args, frozen=True):
    """How the caller appears with their identity provider."""

    clerk_id: str
    username: str
    avatar_url: str


class ByClerkIdArgs(Args, frozen=True):
    """Whom."""

    clerk_id: str


class UserDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A player as everybody may see them. Times are in milliseconds since the epoch."""

    id: UserId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")
    clerk_id: str
    username: str
    avatar_url: str
    created_at: Millis


@query("healthCheck:get")
def check_health(_ctx: QueryContext, _args: AnyArgs) -> str:
    """Say that functions are answered."""
    return "OK"


@mutation("users:sync")
def sync(ctx: MutationContext, args: SyncArgs) -> UserId:
    """Take over the caller's name and picture; return their id."""
    user = players.sync_profile(
        ctx.identity,
        subject=args.clerk_id,
        username=args.username,
        avatar_url=args.avatar_url,
        now=ctx.now,
    )
    return queries.account_of(user).public_id


@query("users:getByClerkId")
def get_by_clerk_id(ctx: QueryContext, args: ByClerkIdArgs) -> UserDocument | None:
    """Show a player to somebody who is signed in; null for nobody."""
    return _shown(queries.find_account(ctx.identity, subject=args.clerk_id))


@query("users:current")
def current(ctx: QueryContext, _args: NoArgs) -> UserDocument | None:
    """Show the caller; null for nobody, and for whoever has not played yet."""
    return _shown(queries.find_own_account(ctx.identity))


# --- for the server itself ----------------------------------------------------------------------


class UpsertArgs(Args, frozen=True):
    """Clerk's description of a user, whole."""

    data: dict[str, Any]


class DeleteArgs(Args, frozen=True):
    """Whose account."""

    clerk_user_id: str


class BanArgs(Args, frozen=True):
    """Which ban."""

    ban: UUID


class ErasureArgs(Args, frozen=True):
    """Which erasure."""

    erasure: UUID


@internal_mutation("users:upsertFromClerk")
def upsert_from_clerk(ctx: MutationContext, args: UpsertArgs) -> UserId | None:
    """Take over what Clerk says of a user; return their id, null if it was out of date."""
    user = clerk.take_over(args.data, sent_at=None, is_new=False, now=ctx.now)
    return None if user is None else queries.account_of(user).public_id


@internal_mutation("users:deleteFromClerk")
def delete_from_clerk(ctx: MutationContext, args: DeleteArgs) -> None:
    """Delete the account of a user whom Clerk has deleted."""
    clerk.delete_announced(args.clerk_user_id, at=ctx.now, now=ctx.now)


@internal_mutation(bans.EXPIRE)
def expire_ban(ctx: MutationContext, args: BanArgs) -> bool:
    """Lift a ban at its end; false if it was lifted before."""
    return bans.expire_ban(args.ban, now=ctx.now)


# The rows are locked one after the other.
@internal_mutation("accounts:expireOverdueBans", isolation=Isolation.READ_COMMITTED)
def expire_overdue_bans(ctx: MutationContext, _args: NoArgs) -> int:
    """Lift the bans that their own jobs have failed to lift; return how many."""
    return bans.expire_overdue(now=ctx.now)


# The row is locked, and nobody else writes what is erased: whose it was is refused everywhere.
@internal_mutation(deletion.ERASE, isolation=Isolation.READ_COMMITTED)
def erase(ctx: MutationContext, args: ErasureArgs) -> bool:
    """Erase one batch of a deleted account; true if nothing is left."""
    return deletion.erase_next(args.erasure, now=ctx.now)


# The rows are locked, and those that others hold are passed over.
@internal_mutation("accounts:resumeErasures", isolation=Isolation.READ_COMMITTED)
def resume_erasures(ctx: MutationContext, _args: NoArgs) -> int:
    """Take up what has not got on for a while; return how many accounts that were."""
    return deletion.resume_erasures(now=ctx.now)


cron("expire overdue bans", "accounts:expireOverdueBans", when=Every(minutes=10))
cron("resume erasures", "accounts:resumeErasures", when=Every(minutes=10))


def _shown(account: Account | None) -> UserDocument | None:
    if account is None:
        return None
    created_at = milliseconds(account.created_at)
    return UserDocument(
        id=account.public_id,
        creation_time=created_at,
        clerk_id=account.subject,
        username=account.username,
        avatar_url=account.avatar_url,
        created_at=created_at,
    )

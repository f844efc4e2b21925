"""Live functions over the test models, of each kind and access."""

import msgspec
from django.db.models import Sum

from dust.errors import ForbiddenError
from dust.livequery.actions import ActionContext
from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.registry import (
    Lease,
    action,
    internal_query,
    mutation,
    query,
)
from dust.livequery.transactions import Isolation
from tests.livequery_app.models import Entry, Player, Team


class NoArgs(msgspec.Struct, forbid_unknown_fields=True):
    pass


class TeamArgs(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class AddArgs(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    points: int = 1


class Member(msgspec.Struct):
    name: str
    score: int


@query("test:players")
def players(ctx: QueryContext, args: TeamArgs) -> list[str]:
    team = Team.objects.filter(name=args.name).first()
    if team is None:
        return []
    return list(
        Player.objects.filter(team_id=team.pk).order_by("name").values_list("name", flat=True)
    )


@query("test:total")
def total(ctx: QueryContext, args: NoArgs) -> int:
    return Entry.objects.aggregate(total=Sum("score"))["total"] or 0


@query("test:mine")
def mine(ctx: QueryContext, args: NoArgs) -> list[Member]:
    if ctx.identity is None:
        return []
    entries = Entry.objects.filter(board=ctx.identity.subject).select_related("player")
    return [Member(entry.player.name, entry.score) for entry in entries.order_by("pk")]


@query("test:draws")
def draws(ctx: QueryContext, args: TeamArgs) -> list[float]:
    return [ctx.random.random(), ctx.random.random()]


@query("test:now")
def now_twice(ctx: QueryContext, args: NoArgs) -> bool:
    return ctx.now == ctx.now


@query("test:writes")
def writes(ctx: QueryContext, args: TeamArgs) -> None:
    Team.objects.create(name=args.name)


@query("test:fails")
def fails(ctx: QueryContext, args: TeamArgs) -> None:
    if Team.objects.filter(name=args.name).exists():
        raise ForbiddenError
    raise RuntimeError("a secret")


@query("test:lies")
def lies(ctx: QueryContext, args: NoArgs) -> int:
    return "not a number"  # type: ignore[return-value]


@internal_query("test:internal")
def internal(ctx: QueryContext, args: NoArgs) -> int:
    return Team.objects.count()


@mutation("test:increment")
def increment(ctx: MutationContext, args: AddArgs) -> int:
    """Read, then write: right only if mutations are serializable."""
    entry = Entry.objects.get(board=args.name)
    score = entry.score
    Entry.objects.filter(pk=entry.pk).update(score=score + args.points)
    return score + args.points


@mutation("test:ensureTeam")
def ensure_team(ctx: MutationContext, args: TeamArgs) -> str:
    """Read, then insert if missing: neither constraint nor lock makes it right."""
    if not Team.objects.filter(motto=args.name).exists():
        Team.objects.create(name=f"{args.name} {ctx.random.random()}", motto=args.name)
    return args.name


@mutation("test:leave")
def leave(ctx: MutationContext, args: TeamArgs) -> int:
    """Leave the duty unless one is alone on it: the classic write skew."""
    on_duty = Entry.objects.filter(hidden=False).count()
    if on_duty > 1:
        Entry.objects.filter(board=args.name).update(hidden=True)
    return on_duty


@mutation("test:addTeam", isolation=Isolation.READ_COMMITTED)
def add_team(ctx: MutationContext, args: TeamArgs) -> int:
    Team.objects.create(name=args.name)
    return Team.objects.count()


@mutation("test:failLate")
def fail_late(ctx: MutationContext, args: TeamArgs) -> None:
    Team.objects.create(name=args.name)
    raise ForbiddenError


@action("test:act")
def act(ctx: ActionContext, args: TeamArgs) -> int:
    ctx.run_mutation("test:addTeam", {"name": args.name})
    count: int = ctx.run_query("test:internal", {})
    return count


presence: list[tuple[str, str]] = []
"""What leases have announced, in order: (beginning or end, subject and key)."""


def _came(issuer: str, subject: str, key: str) -> None:
    presence.append(("came", f"{subject}@{key}"))


def _went(issuer: str, subject: str, key: str) -> None:
    presence.append(("went", f"{subject}@{key}"))


@query("test:room", lease=Lease(lambda args: args.name, _came, _went))
def room(ctx: QueryContext, args: TeamArgs) -> str:
    return args.name

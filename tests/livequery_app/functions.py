"""Live functions over the test models, of each kind and access."""

import logging
import math
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from django.db import connection
from django.db.models import Sum

from dust.errors import ForbiddenError
from dust.livequery.actions import ActionContext
from dust.livequery.capture import reading
from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.errors import WriteConflictError
from dust.livequery.pagination import Page, PaginationOpts
from dust.livequery.registry import (
    Lease,
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from dust.livequery.shapes import Millis
from dust.livequery.transactions import Isolation
from tests.livequery_app.models import Entry, Player, Team

Int64 = Annotated[int, msgspec.Meta(extra={"int64": True})]


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


class PageArgs(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: str
    pagination_opts: PaginationOpts


@query("test:page")
def page(ctx: QueryContext, args: PageArgs) -> Page[int]:
    """Show a board's scores a page at a time, best first."""
    entries = Entry.objects.filter(board=args.name).order_by("-score")
    return ctx.paginate(entries, args.pagination_opts).map(lambda entry: entry.score)


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


@query("test:count")
def count(ctx: QueryContext, args: NoArgs) -> int:
    return Team.objects.count()


@query("test:countMeanwhile")
def count_meanwhile(ctx: QueryContext, args: TeamArgs) -> int:
    """Count while somebody else, on another connection, has just added one."""
    with ThreadPoolExecutor() as others:
        others.submit(_add_and_hang_up, args.name).result()
    return Team.objects.count()


def _add_and_hang_up(name: str) -> None:
    Team.objects.create(name=name)
    connection.close()


@query("test:spoil")
def spoil(ctx: QueryContext, args: NoArgs) -> int:
    """Break the transaction: PostgreSQL does no more in it after an error of its own."""
    with reading(Team), connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM livequery_app_team")
    return 0


class AnythingArgs(msgspec.Struct, forbid_unknown_fields=True):
    value: Any


@query("test:echo")
def echo(ctx: QueryContext, args: AnythingArgs) -> Any:
    return args.value


@mutation("test:repeat")
def repeat(ctx: MutationContext, args: AnythingArgs) -> Any:
    return args.value


@action("test:callBack")
def call_back(ctx: ActionContext, args: AnythingArgs) -> Any:
    return ctx.run_query("test:echo", {"value": args.value})


class Special(msgspec.Struct):
    """What JSON has no word for, and an int."""

    count: int
    data: bytes
    huge: Int64
    infinite: float
    zero: float


@query("test:special")
def special(ctx: QueryContext, args: NoArgs) -> Special:
    return Special(count=5, data=b"\x01\x02\xff", huge=2**53 + 1, infinite=-math.inf, zero=-0.0)


@query("test:strange")
def strange(ctx: QueryContext, args: NoArgs) -> dict[str, int]:
    """Answer with what is JSON, but no value that Convex clients have."""
    return {"$count": 1}


@query("test:log")
def log(ctx: QueryContext, args: TeamArgs) -> None:
    logging.getLogger("app").warning("looked at %s", args.name)


@mutation("test:writeStrange")
def write_strange(ctx: MutationContext, args: TeamArgs) -> dict[str, int]:
    Team.objects.create(name=args.name)
    return {"$count": 1}


@mutation("test:shout")
def shout(ctx: MutationContext, args: TeamArgs) -> None:
    logging.getLogger("app").info("writing %s", args.name)
    Team.objects.create(name=args.name)


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


@mutation("test:refuse")
def refuse(ctx: MutationContext, args: TeamArgs) -> None:
    Team.objects.create(name=args.name)
    raise ForbiddenError(f"No {args.name}.", data={"name": args.name, "left": 3})


@action("test:act")
def act(ctx: ActionContext, args: TeamArgs) -> int:
    ctx.run_mutation("test:addTeam", {"name": args.name})
    count: int = ctx.run_query("test:internal", {})
    return count


class LaterArgs(msgspec.Struct, forbid_unknown_fields=True):
    """What to schedule, in how many seconds or at what time."""

    path: str
    args: dict[str, Any]
    seconds: float = 0
    at: Millis | None = None
    fails: bool = False


@mutation("test:later")
def later(ctx: MutationContext, args: LaterArgs) -> str:
    if args.at is None:
        job = ctx.scheduler.run_after(args.seconds, args.path, args.args)
    else:
        time = datetime.fromtimestamp(args.at / 1000, UTC)
        job = ctx.scheduler.run_at(time, args.path, args.args)
    if args.fails:
        raise ForbiddenError
    return job


@action("test:laterByAction")
def later_by_action(ctx: ActionContext, args: LaterArgs) -> str:
    job = ctx.scheduler.run_after(args.seconds, args.path, args.args)
    if args.fails:
        raise RuntimeError("a secret")
    return job


class CancelArgs(msgspec.Struct, forbid_unknown_fields=True):
    job: str
    fails: bool = False


@mutation("test:cancel")
def cancel(ctx: MutationContext, args: CancelArgs) -> bool:
    done = ctx.scheduler.cancel(args.job)
    if args.fails:
        raise ForbiddenError
    return done


@action("test:cancelByAction")
def cancel_by_action(ctx: ActionContext, args: CancelArgs) -> bool:
    return ctx.scheduler.cancel(args.job)


@internal_mutation("test:note")
def note(ctx: MutationContext, args: TeamArgs) -> None:
    """Tell who calls and when by the name of a new team."""
    caller = ctx.identity.subject if ctx.identity else "nobody"
    Team.objects.create(name=args.name, motto=f"{caller} {ctx.now.isoformat()}")


@internal_action("test:noteByAction")
def note_by_action(ctx: ActionContext, args: TeamArgs) -> None:
    ctx.run_mutation("test:note", {"name": args.name})


@mutation("test:conflict")
def conflict(ctx: MutationContext, args: TeamArgs) -> None:
    raise WriteConflictError


@action("test:crash")
def crash(ctx: ActionContext, args: TeamArgs) -> None:
    ctx.run_query("test:fails", {"name": args.name})


begun, may_end = threading.Event(), threading.Event()


@internal_action("test:hold")
def hold(ctx: ActionContext, args: NoArgs) -> None:
    """Tell that it has begun, and wait until it may end."""
    begun.set()
    assert may_end.wait(30)


_meeting = threading.Barrier(2, timeout=30)


@action("test:meet")
def meet(ctx: ActionContext, args: NoArgs) -> None:
    """End when another one is there as well."""
    _meeting.wait()


@mutation("test:holdInside")
def hold_inside(ctx: MutationContext, args: TeamArgs) -> str:
    """Write, tell that it has begun, and commit when it may."""
    Team.objects.create(name=args.name)
    begun.set()
    assert may_end.wait(30)
    return args.name


class PipeArgs(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    pipe: str


@internal_action("test:waitForPipe")
def wait_for_pipe(ctx: ActionContext, args: PipeArgs) -> None:
    """Write that it has begun, and end when somebody opens the pipe."""
    ctx.run_mutation("test:addTeam", {"name": args.name})
    Path(args.pipe).read_text()


@internal_mutation("test:waitForPipeInside")
def wait_for_pipe_inside(ctx: MutationContext, args: PipeArgs) -> None:
    """Write, and commit when somebody opens the pipe."""
    Team.objects.create(name=args.name)
    Path(args.pipe).read_text()


class DieArgs(msgspec.Struct, forbid_unknown_fields=True):
    """Whose file marks that the process has died once."""

    name: str
    marker: str


@internal_mutation("test:dieOnce")
def die_once(ctx: MutationContext, args: DieArgs) -> None:
    """Write, and the first time be killed before that has committed."""
    Team.objects.create(name=args.name)
    _die_once(Path(args.marker))


@internal_action("test:dieOnceByAction")
def die_once_by_action(ctx: ActionContext, args: DieArgs) -> None:
    """Write, and the first time be killed before it is told that the action has ended."""
    ctx.run_mutation("test:addTeam", {"name": args.name})
    _die_once(Path(args.marker))


def _die_once(marker: Path) -> None:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


presence: list[tuple[str, str]] = []
"""What leases have announced, in order: (beginning or end, subject and key)."""


def _came(issuer: str, subject: str, key: str) -> None:
    presence.append(("came", f"{subject}@{key}"))


def _went(issuer: str, subject: str, key: str) -> None:
    presence.append(("went", f"{subject}@{key}"))


@query("test:room", lease=Lease(lambda args: args.name, _came, _went))
def room(ctx: QueryContext, args: TeamArgs) -> str:
    return args.name

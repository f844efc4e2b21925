"""Live functions for tests of clients: boards of scores, echoes, and failures made to order."""

import threading
from collections import defaultdict
from typing import Any, Literal, NoReturn

from django.db.models import F

from dust.errors import ForbiddenError
from dust.livequery.actions import ActionContext
from dust.livequery.context import Context, MutationContext, QueryContext
from dust.livequery.registry import action, mutation, query
from dust.livequery.shapes import Args, Int64, NoArgs
from tests.livequery_app.models import Entry, Player

PATIENCE_SECONDS = 60


class BoardArgs(Args, frozen=True):
    board: str


class ScoresArgs(BoardArgs, frozen=True):
    scores: list[int]


class MoveArgs(Args, frozen=True):
    source: str
    target: str


class LongArgs(BoardArgs, frozen=True):
    characters: int


@query("clients:score")
def show_score(ctx: QueryContext, args: BoardArgs) -> int | None:
    """Show the board's first score."""
    return Entry.objects.filter(board=args.board).values_list("score", flat=True).first()


@query("clients:long")
def show_at_length(ctx: QueryContext, args: LongArgs) -> str:
    """Show the board's first score, and behind it so many characters of several bytes each."""
    score = Entry.objects.filter(board=args.board).values_list("score", flat=True).first()
    return f"{score} " + "é😀" * (args.characters // 2)


@mutation("clients:add")
def add(ctx: MutationContext, args: ScoresArgs) -> None:
    for score in args.scores:
        player = Player.objects.create(name=str(score))
        Entry.objects.create(board=args.board, player=player, score=score)


@mutation("clients:drop")
def drop(ctx: MutationContext, args: ScoresArgs) -> None:
    Entry.objects.filter(board=args.board, score__in=args.scores).delete()


@mutation("clients:move")
def move(ctx: MutationContext, args: MoveArgs) -> None:
    """Move a point from one board to another, so that their sum stays what it is."""
    Entry.objects.filter(board=args.source).update(score=F("score") - 1)
    Entry.objects.filter(board=args.target).update(score=F("score") + 1)


# --- what is sent comes back ----------------------------------------------------------------------


class Values(Args, frozen=True):
    """Of each kind of value that clients have, some."""

    data: bytes
    flags: list[bool]
    large: list[Int64]
    nested: dict[str, Any]
    nothing: None
    real: list[float]
    text: str


@query("clients:echo")
def echo(ctx: QueryContext, args: Values) -> Values:
    return args


@mutation("clients:echoByMutation")
def echo_by_mutation(ctx: MutationContext, args: Values) -> Values:
    return args


@action("clients:echoByAction")
def echo_by_action(ctx: ActionContext, args: Values) -> Values:
    return args


# --- who calls ------------------------------------------------------------------------------------


def _subject(ctx: Context) -> str | None:
    return None if ctx.identity is None else ctx.identity.subject


@query("clients:me")
def me(ctx: QueryContext, args: NoArgs) -> str | None:
    return _subject(ctx)


@mutation("clients:meByMutation")
def me_by_mutation(ctx: MutationContext, args: NoArgs) -> str | None:
    return _subject(ctx)


# --- failures -------------------------------------------------------------------------------------


class FailArgs(Args, frozen=True):
    how: Literal["plainly", "with data", "by a defect"]


def _fail(args: FailArgs) -> NoReturn:
    match args.how:
        case "plainly":
            raise ForbiddenError("Not today.")
        case "with data":
            raise ForbiddenError("Not today.", data={"why": ["rain"], "days": 2})
        case _:
            raise RuntimeError("a secret")


@query("clients:fail")
def fail(ctx: QueryContext, args: FailArgs) -> None:
    _fail(args)


@mutation("clients:failByMutation")
def fail_by_mutation(ctx: MutationContext, args: FailArgs) -> None:
    _fail(args)


@action("clients:failByAction")
def fail_by_action(ctx: ActionContext, args: FailArgs) -> None:
    _fail(args)


# --- actions that take as long as one likes -------------------------------------------------------

_signals: dict[str, threading.Event] = defaultdict(threading.Event)


class SignalArgs(Args, frozen=True):
    name: str


@action("clients:wait")
def wait(ctx: ActionContext, args: SignalArgs) -> str:
    """Return when somebody has given the signal of that name."""
    assert _signals[args.name].wait(PATIENCE_SECONDS)
    return args.name


@action("clients:signal")
def signal(ctx: ActionContext, args: SignalArgs) -> None:
    _signals[args.name].set()

"""Rows for tests, one factory for each model: ``UserFactory.create(username="alice")``."""

# mypy: untyped-calls-exclude=factory

from datetime import UTC, datetime
from typing import TypeVar

from factory.declarations import LazyAttribute, SelfAttribute, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from accounts.models import User
from dust.identity import Identity
from gamesessions.models import GameSession, PlayEvent, Save
from gamesessions.rules import EventType, Status
from leaderboard.models import Attempt, Board, Entry
from leaderboard.rules import COOP, LEVEL_OF_BOARD, Kind, Source

ISSUER = "https://issuer.example"


class UserFactory(DjangoModelFactory[User]):
    """A player, whose subject is the name; ``staff`` may do everything in the admin."""

    class Meta:
        model = User
        django_get_or_create = ("issuer", "subject")

    class Params:
        staff = Trait(
            issuer="local-staff",
            login=SelfAttribute("subject"),
            is_staff=True,
            is_superuser=True,
        )

    issuer = ISSUER
    username = Sequence("player {}".format)
    subject = SelfAttribute("username")
    password = "!"


class BoardFactory(DjangoModelFactory[Board]):
    """One of the fixed boards; they are there already, unless a test has flushed the database."""

    class Meta:
        model = Board
        django_get_or_create = ("key",)

    key = "solo:3"
    level = LazyAttribute(lambda board: LEVEL_OF_BOARD[board.key])
    kind = LazyAttribute(lambda board: Kind.COOP if board.key == COOP else Kind.SOLO)


R = TypeVar("R", Entry, Attempt)


class _ResultFactory(DjangoModelFactory[R]):
    class Meta:
        abstract = True

    board = SubFactory(BoardFactory)
    user = SubFactory(UserFactory)
    score = 1000
    accuracy = 90.0
    level = LazyAttribute(lambda result: result.board.level or 1)
    pages_completed = 5
    source = Source.CLAIMED


class EntryFactory(_ResultFactory[Entry]):
    """A listed entry, unless it is ``hidden`` or not ``ranked``."""

    class Meta:
        model = Entry

    ranked = True
    achieved_at = datetime(2026, 3, 1, 12, tzinfo=UTC)


class AttemptFactory(_ResultFactory[Attempt]):
    """Something submitted."""

    class Meta:
        model = Attempt

    improved = True
    created_at = datetime(2026, 3, 1, 12, tzinfo=UTC)


class GameSessionFactory(DjangoModelFactory[GameSession]):
    """A game that is being played, unless it is ``completed``, ``abandoned`` or ``voided``."""

    class Meta:
        model = GameSession

    class Params:
        completed = Trait(status=Status.COMPLETED, ended_at=SelfAttribute("updated_at"))
        abandoned = Trait(status=Status.ABANDONED, ended_at=SelfAttribute("updated_at"))
        voided = Trait(abandoned=True, voided_at=SelfAttribute("updated_at"), voided_reason="a bot")

    user = SubFactory(UserFactory)
    started_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    updated_at = SelfAttribute("started_at")


class SaveFactory(DjangoModelFactory[Save]):
    """A former copy of a game, which is at its second version."""

    class Meta:
        model = Save

    session = SubFactory(GameSessionFactory, version=2)
    version = LazyAttribute(lambda save: save.session.version - 1)
    saved_at = datetime(2026, 3, 1, 12, tzinfo=UTC)


class PlayEventFactory(DjangoModelFactory[PlayEvent]):
    """Something that a client says happened."""

    class Meta:
        model = PlayEvent

    session = SubFactory(GameSessionFactory)
    client_id = Sequence("event {}".format)
    type = EventType.PAGE_STARTED
    occurred_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    recorded_at = datetime(2026, 3, 1, 12, tzinfo=UTC)


def identity_of(user: User) -> Identity:
    """Return what a token of the user's says."""
    return Identity(user.issuer, user.subject)

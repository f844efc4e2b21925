"""A crowd that watches its own ranks on one busy board, and somebody who watches another."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial

import pytest
from uuid_utils.compat import uuid7

from accounts.models import User
from dust.identity import Identity
from dust.livequery import runner
from dust.livequery.engine import Engine
from leaderboard.models import Entry
from leaderboard.rules import Play, Source
from leaderboard.services.scores import submit_score
from tests.dust.livequery.running import CROWD_PATIENCE_SECONDS, AwaitedDoor
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)

ISSUER = "https://issuer.test"


@pytest.fixture
async def engine(transactional_db: None) -> AsyncIterator[Engine]:
    await runner.run(restore_boards)
    engine = Engine()
    await engine.start()
    yield engine
    await engine.stop()
    await asyncio.to_thread(runner.close)


def make_players(count: int, now: datetime) -> list[User]:
    """Make players of whom each has a score on solo:1, the first the lowest."""
    users = User.objects.bulk_create(
        User(issuer=ISSUER, subject=str(n), username=f"player {n}") for n in range(count)
    )
    Entry.objects.bulk_create(
        Entry(
            id=uuid7(),
            board_id="solo:1",
            user=user,
            score=score,
            accuracy=50,
            level=1,
            pages_completed=1,
            source=Source.CLAIMED,
            ranked=True,
            achieved_at=now,
        )
        for score, user in enumerate(users)
    )
    return users


def submit(board: str, level: int, score: int, user: User, now: datetime) -> None:
    play = Play(score=score, accuracy=50, level=level, pages_completed=1)
    submit_score(board, play=play, user_id=user.pk, source=Source.CLAIMED, now=now)


async def until_told(door: AwaitedDoor, *, times: int) -> None:
    await door.until(lambda: len(door.transitions) == times)


class TestCrowd:
    @pytest.mark.parametrize(
        "size", [300, pytest.param(10_000, marks=pytest.mark.soak)], ids=["share", "all"]
    )
    async def test_does_not_hold_back_those_who_watch_another_board(
        self, engine: Engine, now: datetime, size: int
    ) -> None:
        users = await runner.run(partial(make_players, size, now))
        crowd = [AwaitedDoor(patience_seconds=CROWD_PATIENCE_SECONDS) for _ in users]
        for user, door in zip(users, crowd, strict=True):
            caller = Identity(ISSUER, user.subject)
            engine.connect(door, caller).subscribe(
                "leaderboard:me", {"board": "solo:1"}, internal=True
            )
        bystander = AwaitedDoor(patience_seconds=CROWD_PATIENCE_SECONDS)
        engine.connect(bystander).subscribe("leaderboard:top", {"board": "solo:2"}, internal=True)
        for door in (*crowd, bystander):
            await until_told(door, times=1)

        # The lowest takes the lead, which moves everybody else down by one.
        await runner.run(partial(submit, "solo:1", 1, size, users[0], now))
        await runner.run(partial(submit, "solo:2", 2, 1, users[0], now))
        await until_told(bystander, times=2)
        waiting = sum(len(door.transitions) == 1 for door in crowd)
        for door in crowd:
            await until_told(door, times=2)

        assert waiting > size / 2
        ranks = [door.value(0)["entry"]["rank"] for door in crowd]
        assert ranks == [1, *range(size, 1, -1)]

"""The running engine on a real database: commits in, news out."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import Client as HttpClient

from dust.identity import Identity
from dust.livequery import engine as engine_module
from dust.livequery import execution, runner
from dust.livequery.engine import Engine
from dust.livequery.errors import InvalidArgumentsError, UnknownFunctionError
from tests.dust.livequery.running import (
    CROWD_PATIENCE_SECONDS,
    PATIENCE_SECONDS,
    AwaitedDoor,
)
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.livequery_app.functions import presence
from tests.livequery_app.models import Entry, Player, Team

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = Identity("https://issuer.test", "alice")
BOB = Identity("https://issuer.test", "bob")


@pytest.fixture
async def engine(transactional_db: None) -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.start()
    yield engine
    await engine.stop()
    await asyncio.to_thread(runner.close)


class TestSubscribe:
    async def test_tells_the_present_result_and_then_every_new_one(self, engine: Engine) -> None:
        team = await runner.run(partial(Team.objects.create, name="red"))
        door = AwaitedDoor()
        subscription = engine.connect(door).subscribe("test:players", {"name": "red"})
        await door.until_told(subscription, [])

        await runner.run(partial(Player.objects.create, name="ann", team=team))

        await door.until_told(subscription, ["ann"])

    async def test_recovers_from_an_error_when_the_data_does(self, engine: Engine) -> None:
        team = await runner.run(partial(Team.objects.create, name="red"))
        door = AwaitedDoor()
        subscription = engine.connect(door).subscribe("test:fails", {"name": "red"})
        await door.until(lambda: bool(door.transitions))
        first = door.latest(subscription)

        await runner.run(team.delete)
        await door.until(lambda: len(door.transitions) > 1)

        assert first.error is not None
        assert (first.error.code, first.error.message) == ("forbidden", "Not authorized.")
        second = door.latest(subscription)
        assert second.error is not None
        assert (second.error.code, second.error.message) == ("server_error", "Server Error")

    async def test_refuses_what_is_not_declared(self, engine: Engine) -> None:
        client = engine.connect(AwaitedDoor())

        with pytest.raises(UnknownFunctionError):
            client.subscribe("test:nothing", {})
        with pytest.raises(UnknownFunctionError):
            client.subscribe("test:internal", {})
        with pytest.raises(InvalidArgumentsError, match="extra"):
            client.subscribe("test:players", {"name": "red", "extra": 1})
        with pytest.raises(InvalidArgumentsError, match="name"):
            client.subscribe("test:players", {})

    async def test_shows_nobody_what_is_somebody_elses(self, engine: Engine) -> None:
        ann = await runner.run(partial(Player.objects.create, name="ann"))
        for board in ("alice", "bob"):
            await runner.run(partial(Entry.objects.create, board=board, player=ann, score=1))
        doors = {caller: AwaitedDoor() for caller in (ALICE, BOB, None)}
        for caller, door in doors.items():
            engine.connect(door, caller).subscribe("test:mine", {})
        for caller, door in doors.items():
            await door.until_told(0, [{"name": "ann", "score": 1}] if caller else [])

        await runner.run(partial(Entry.objects.filter(board="alice").update, score=5))

        await doors[ALICE].until_told(0, [{"name": "ann", "score": 5}])
        assert doors[BOB].values(0) == [[{"name": "ann", "score": 1}]]
        assert doors[None].values(0) == [[]]


class TestWritesThatPush:
    @pytest.fixture
    async def door(self, engine: Engine) -> AwaitedDoor:
        await runner.run(partial(Team.objects.create, name="red"))
        door = AwaitedDoor()
        engine.connect(door).subscribe("test:players", {"name": "red"})
        await door.until_told(0, [])
        return door

    async def test_a_rollback_pushes_nothing(self, engine: Engine, door: AwaitedDoor) -> None:
        def roll_back() -> None:
            with transaction.atomic():
                team = Team.objects.get(name="red")
                with transaction.atomic():
                    Player.objects.create(name="gone", team=team)
                    transaction.set_rollback(True)
                Player.objects.create(name="kept", team=team)
            with transaction.atomic():
                Player.objects.create(name="gone", team=team)
                transaction.set_rollback(True)

        await runner.run(roll_back)

        await door.until_told(0, ["kept"])
        assert door.values(0) == [[], ["kept"]]

    async def test_a_mutation_does(self, engine: Engine) -> None:
        door = AwaitedDoor()
        engine.connect(door).subscribe("test:total", {})
        ann = await runner.run(partial(Player.objects.create, name="ann"))
        await runner.run(partial(Entry.objects.create, board="a", player=ann))

        await engine.mutate("test:increment", {"name": "a", "points": 3}, None)

        await door.until_told(0, 3)

    @pytest.mark.urls("tests.livequery_app.urls")
    async def test_the_admin_does(self, engine: Engine, door: AwaitedDoor) -> None:
        def rename() -> int:
            staff = get_user_model().objects.create_superuser("root", password="x" * 12)
            team = Team.objects.get(name="red")
            ann = Player.objects.create(name="ann", team=team)
            browser = HttpClient()
            browser.force_login(staff)
            url = f"/admin/livequery_app/team/{team.pk}/change/"
            return browser.post(url, {"name": "blue", "captain": str(ann.pk)}).status_code

        status = await runner.run(rename)

        assert status == 302
        await door.until_told(0, [])


class TestAction:
    async def test_calls_queries_and_mutations(self, engine: Engine) -> None:
        count = await engine.act("test:act", {"name": "red"}, ALICE, turn=asyncio.Semaphore(8))

        assert count == 1
        assert await runner.run(Team.objects.count) == 1


class TestLease:
    async def test_begins_with_the_first_socket_and_ends_after_the_last(
        self, engine: Engine
    ) -> None:
        presence.clear()
        first, second = engine.connect(AwaitedDoor(), ALICE), engine.connect(AwaitedDoor(), ALICE)
        for client in (first, second):
            client.subscribe("test:room", {"name": "lobby"})
        first.close()
        second.close()

        await asyncio.wait_for(engine._leases._queue.join(), PATIENCE_SECONDS)

        assert presence == [("came", "alice@lobby"), ("went", "alice@lobby")]

    async def test_follows_who_is_signed_in(self, engine: Engine) -> None:
        presence.clear()
        client = engine.connect(AwaitedDoor())
        client.subscribe("test:room", {"name": "lobby"})
        client.authenticate(ALICE)
        client.authenticate(BOB)

        await asyncio.wait_for(engine._leases._queue.join(), PATIENCE_SECONDS)

        assert sorted(presence) == [
            ("came", "alice@lobby"),
            ("came", "bob@lobby"),
            ("went", "alice@lobby"),
        ]


if IS_POSTGRESQL:

    class TestDatabaseAway:
        async def test_sockets_stay_and_converge_when_it_is_back(self, engine: Engine) -> None:
            await runner.run(partial(Team.objects.create, name="red"))
            door = AwaitedDoor()
            engine.connect(door).subscribe("test:players", {"name": "red"})
            await door.until_told(0, [])

            def cut_all_other_connections() -> None:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                    cursor.fetchall()

            await runner.run(cut_all_other_connections)
            team = await runner.run(partial(Team.objects.get, name="red"))
            await runner.run(partial(Player.objects.create, name="ann", team=team))

            await door.until_told(0, ["ann"])
            assert all(result.ok for t in door.transitions for _, result in t.changes)


class TestManySockets:
    async def test_share_one_run_and_one_encoding(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann = await runner.run(partial(Player.objects.create, name="ann"))
        doors = [AwaitedDoor() for _ in range(1_000)]
        for door in doors:
            engine.connect(door).subscribe("test:total", {})
        await doors[-1].until_told(0, 0)
        runs, encodings = Counted(execution.run_query), Counted(execution.Result.of)
        monkeypatch.setattr(engine_module, "run_query", runs)
        monkeypatch.setattr(execution.Result, "of", encodings)

        await runner.run(partial(Entry.objects.create, board="a", player=ann, score=3))
        for door in doors:
            await door.until_told(0, 3)

        assert (runs.times, encodings.times) == (1, 1)
        assert len({id(door.latest(0)) for door in doors}) == 1

    @pytest.mark.parametrize(
        "count", [300, pytest.param(10_000, marks=pytest.mark.soak)], ids=["share", "all"]
    )
    async def test_of_many_different_queries_a_write_runs_the_one_it_touches(
        self, engine: Engine, count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def make_teams() -> list[Team]:
            return Team.objects.bulk_create(Team(name=str(number)) for number in range(count))

        teams = await runner.run(make_teams)
        doors = [AwaitedDoor(patience_seconds=CROWD_PATIENCE_SECONDS) for _ in teams]
        for team, door in zip(teams, doors, strict=True):
            engine.connect(door).subscribe("test:players", {"name": team.name})
        for door in doors:
            await door.until_told(0, [])
        runs = Counted(execution.run_query)
        monkeypatch.setattr(engine_module, "run_query", runs)

        await runner.run(partial(Player.objects.create, name="ann", team=teams[7]))
        await doors[7].until_told(0, ["ann"])

        assert runs.times == 1
        assert sum(len(door.transitions) for door in doors) == count + 1


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.times = 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.times += 1
        return self._function(*args, **options)

"""The socket of Convex clients at the wire: mutations, actions, and how they are answered."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import User
from accounts.services import bans
from dust.convex import codec, consumer, keys
from dust.identity import local_issuer
from dust.livequery import changes, runner
from dust.livequery.changes import Commit
from dust.livequery.console import ConsoleHandler
from tests.dust.convex.syncing import SyncPeer
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.factories import UserFactory
from tests.livequery_app.functions import begun, may_end
from tests.livequery_app.models import Entry, Player, Team
from tests.rest import token
from tests.sockets import PATIENCE_SECONDS, Message, running_engine

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sync_engine")]

RED = {"name": "red"}


async def team_names() -> list[str]:
    return await runner.run(lambda: list(Team.objects.values_list("name", flat=True)))


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE_SECONDS)


class TestMutation:
    async def test_is_answered_and_then_shown(self) -> None:
        async with SyncPeer() as peer:
            peer.watch(0, "test:count")
            await peer.until_shown(0, 0.0)
            peer.mutate(0, "test:addTeam", RED)
            response = await peer.answer()

        assert response == {
            "type": "MutationResponse",
            "requestId": 0,
            "success": True,
            "result": 1.0,
            "ts": response["ts"],
            "logLines": [],
        }
        assert peer.shown == {0: 1.0}

    @pytest.mark.parametrize("watched", [True, False], ids=["that watches", "that watches nothing"])
    @pytest.mark.parametrize(
        ("path", "args", "result"),
        [
            ("test:refuse", RED, "No red."),
            ("test:addTeam", {}, "ArgumentValidationError: "),
            ("test:addTeam", {"name": {"$x": 1}}, "args.name has a field name"),
            ("test:nothing", {}, "Could not find public function for 'test:nothing'."),
            ("test:note", {"name": "x"}, "Could not find public function for 'test:note'."),
            ("test:ensureTeam", RED, "red"),
        ],
    )
    async def test_is_followed_by_news_for_a_client(
        self, watched: bool, path: str, args: Message, result: str
    ) -> None:
        """Also if it has failed, and if nothing is new; clients wait for them."""
        async with SyncPeer() as peer:
            if watched:
                peer.watch(0, "test:players", RED)
                await peer.until_shown(0, [])
            peer.mutate(0, path, args)
            response = await peer.answer()
            await peer.silence()

        assert response["result"].startswith(result)
        assert response["success"] is (path == "test:ensureTeam")
        assert (response["ts"] is not None) is response["success"]

    async def test_is_never_shown_before_it_is_answered(self) -> None:
        async with SyncPeer() as peer, SyncPeer() as bystander:
            for each in (peer, bystander):
                each.watch(0, "test:count")
                await each.until_shown(0, 0.0)
            with answers_held() as held:
                peer.mutate(0, "test:addTeam", RED)
                await until(held.committed)
                await bystander.until_shown(0, 1.0)
                assert peer.inbox_is_empty
            await peer.answer()

        assert peer.shown == {0: 1.0}

    @pytest.mark.usefixtures("holding")
    async def test_runs_after_those_before_it(self) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:holdInside", RED)
            peer.mutate(1, "test:failLate", {"name": "green"})
            peer.mutate(2, "test:addTeam", {"name": "blue"})
            await until(begun)
            may_end.set()
            responses = [await peer.until("MutationResponse") for _ in range(3)]
            await peer.news()

        assert [each["requestId"] for each in responses] == [0, 1, 2]
        assert [each["success"] for each in responses] == [True, False, True]
        assert responses[2]["result"] == 2.0

    @pytest.mark.usefixtures("holding")
    async def test_is_finished_if_its_client_has_gone(self) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:holdInside", RED)
            await until(begun)
        may_end.set()
        async with SyncPeer() as other:
            other.watch(0, "test:count")
            await other.until_shown(0, 1.0)

    async def test_is_refused_with_the_data_that_its_app_gives(self) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:refuse", RED)
            refused = await peer.answer()
            peer.mutate(1, "test:failLate", RED)
            failed = await peer.answer()

        assert refused["result"] == "No red."
        assert refused["errorData"] == {"name": "red", "left": 3.0}
        assert failed["result"] == "Not authorized."
        assert "errorData" not in failed
        assert await team_names() == []

    @pytest.mark.parametrize(
        ("path", "args"),
        [("test:increment", {"name": "nowhere"}), ("test:writeStrange", RED)],
    )
    async def test_that_fails_as_nobody_expects_is_told_by_an_id_that_the_log_has(
        self, path: str, args: Message, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with SyncPeer() as peer:
            peer.mutate(7, path, args)
            response = await peer.answer()

        name = hashlib.sha256(f"{peer.session}|7".encode()).hexdigest()[:16]
        assert response["result"] == f"[Request ID: {name}] Server Error"
        assert "errorData" not in response
        (record,) = caplog.records
        assert (record.request_id, record.function) == (name, path)  # type: ignore[attr-defined]
        assert record.exc_info is not None

    async def test_that_loses_to_others_has_the_client_come_back(self) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:conflict", RED)

            assert await peer.closing() == (1013, "OptimisticConcurrencyControlFailure")

    if IS_POSTGRESQL:

        @pytest.mark.usefixtures("holding")
        async def test_whose_database_goes_away_has_the_client_begin_anew(
            self, caplog: pytest.LogCaptureFixture
        ) -> None:
            async with SyncPeer() as peer:
                peer.mutate(0, "test:holdInside", RED)
                await until(begun)
                await runner.run(_cut_all_other_connections)
                may_end.set()

                assert await peer.closing() == (1011, "InternalServerError")
            assert [each for each in caplog.records if "convex" in each.name] == []


def _cut_all_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        cursor.fetchall()


class Held:
    """Writers that wait after they have committed, and told so."""

    def __init__(self) -> None:
        self.committed = threading.Event()
        self._may_go_on = threading.Event()

    def hold(self, commit: Commit) -> None:
        self.committed.set()
        assert self._may_go_on.wait(PATIENCE_SECONDS)

    def release(self) -> None:
        self._may_go_on.set()


@contextmanager
def answers_held() -> Iterator[Held]:
    """Let inside the block nobody who has committed go on."""
    held = Held()
    stop = changes.on_commit(held.hold)  # after the engine, which hears of it first
    try:
        yield held
    finally:
        held.release()
        stop()


class TestRepeatedMutation:
    """A client that has lost its connection asks again for what it was not shown."""

    @pytest.fixture
    async def session(self) -> str:
        return str(uuid4())

    @pytest.fixture
    async def first(self, session: str) -> Message:
        async with SyncPeer(session=session) as peer:
            peer.mutate(0, "test:addTeam", RED)
            return await peer.answer()

    async def test_is_answered_as_before(self, session: str, first: Message) -> None:
        async with SyncPeer(session=session) as peer:
            peer.watch(0, "test:count")
            peer.mutate(0, "test:addTeam", RED)
            again = await peer.until("MutationResponse")
            await peer.news()

        assert again | {"ts": first["ts"]} == first
        assert codec.decode_ts(again["ts"]) <= codec.decode_ts(first["ts"])
        assert peer.shown == {0: 1.0}

    async def test_is_answered_by_another_process(
        self, session: str, first: Message, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with running_engine(monkeypatch), SyncPeer(session=session) as peer:
            peer.mutate(0, "test:addTeam", RED)

            again = await peer.answer()

        assert again | {"ts": first["ts"]} == first
        assert await team_names() == ["red"]

    async def test_of_another_session_is_another(self, first: Message) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:addTeam", {"name": "blue"})
            await peer.answer()

        assert await team_names() == ["blue", "red"]

    async def test_that_asks_for_something_else_is_refused(
        self, session: str, first: Message
    ) -> None:
        async with SyncPeer(session=session) as peer:
            peer.mutate(0, "test:addTeam", {"name": "blue"})
            refused = await peer.answer()

        assert (refused["success"], refused["ts"]) == (False, None)
        assert refused["result"].startswith("The idempotency key was used before")

    async def test_that_had_failed_runs_again(self, session: str) -> None:
        async with SyncPeer(session=session) as peer:
            peer.mutate(0, "test:increment", {"name": "solo"})
            failed = await peer.answer()
        await runner.run(_create_entry)
        async with SyncPeer(session=session) as peer:
            peer.mutate(0, "test:increment", {"name": "solo"})
            done = await peer.answer()

        assert (failed["success"], done["success"], done["result"]) == (False, True, 1.0)

    @pytest.mark.usefixtures("holding")
    async def test_is_waited_for_while_it_still_runs(self, session: str) -> None:
        async with SyncPeer(session=session) as lost:
            lost.mutate(0, "test:holdInside", RED)
            await until(begun)
        async with SyncPeer(session=session) as peer:
            peer.mutate(0, "test:holdInside", RED)
            peer.modify()
            await peer.news()
            assert peer.inbox_is_empty
            may_end.set()
            again = await peer.answer()

        assert (again["success"], again["result"]) == (True, "red")
        assert await team_names() == ["red"]

    if IS_POSTGRESQL:

        @pytest.mark.usefixtures("holding")
        async def test_is_not_waited_for_for_ever(
            self, session: str, monkeypatch: pytest.MonkeyPatch
        ) -> None:
            monkeypatch.setattr(consumer, "LONGEST_WAIT_SECONDS", 0.0)
            async with SyncPeer(session=session) as lost, SyncPeer(session=session) as peer:
                lost.mutate(0, "test:holdInside", RED)
                await until(begun)
                peer.mutate(0, "test:holdInside", RED)

                assert await peer.closing() == (1011, "InternalServerError")

    async def test_is_refused_if_the_client_is_banned_by_now(self, session: str) -> None:
        await runner.run(partial(UserFactory.create, issuer=local_issuer.ISSUER, subject="alice"))
        answers = []
        for _ in range(2):
            async with SyncPeer(session=session) as peer:
                peer.authenticate(token("alice"))
                await peer.news()
                peer.mutate(0, "test:addTeam", RED)
                answers.append(await peer.answer())
            await runner.run(_ban_alice)

        assert [each["success"] for each in answers] == [True, False]
        assert "banned" in answers[1]["result"]


async def become_admin(peer: SyncPeer) -> None:
    key = await runner.run(partial(keys.create, "a tool", now=datetime.now(UTC)))
    peer.authenticate(key.token, kind="Admin")
    await peer.news()


def _create_entry() -> None:
    Entry.objects.create(board="solo", player=Player.objects.create(name="ann"))


def _ban_alice() -> None:
    now = datetime.now(UTC)
    alice = User.objects.get(subject="alice")
    moderator = UserFactory.create(username="moderator", staff=True)
    bans.ban_user(alice, reason="a bot", until=now + timedelta(days=1), by=moderator, now=now)


class TestAction:
    async def test_is_answered(self) -> None:
        async with SyncPeer() as peer:
            peer.watch(0, "test:count")
            await peer.until_shown(0, 0.0)
            peer.act(0, "test:act", RED)
            response = await peer.until("ActionResponse")
            await peer.news()

        assert response == {
            "type": "ActionResponse",
            "requestId": 0,
            "success": True,
            "result": 1.0,
            "logLines": [],
        }
        assert peer.shown == {0: 1.0}

    async def test_that_fails_is_answered_too(self, caplog: pytest.LogCaptureFixture) -> None:
        async with SyncPeer() as peer:
            peer.act(3, "test:laterByAction", {"path": "test:note", "args": RED, "fails": True})
            failed = await peer.answer()
            peer.act(4, "test:laterByAction", {"path": "test:nothing", "args": {}})
            refused = await peer.answer()

        name = hashlib.sha256(f"{peer.session}|3".encode()).hexdigest()[:16]
        assert failed["result"] == f"[Request ID: {name}] Server Error"
        assert [record.request_id for record in caplog.records] == [name]  # type: ignore[attr-defined]
        assert refused["success"] is False
        assert "ts" not in failed

    async def test_runs_beside_others(self) -> None:
        async with SyncPeer() as peer:
            for request in range(2):
                peer.act(request, "test:meet", {})
            responses = [await peer.until("ActionResponse") for _ in range(2)]

        assert sorted(each["requestId"] for each in responses) == [0, 1]

    @pytest.mark.usefixtures("holding")
    async def test_waits_while_too_many_of_its_socket_run(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "PER_SOCKET", 1)
        async with SyncPeer() as peer, SyncPeer() as other:
            await become_admin(peer)
            peer.act(0, "test:hold", {})
            peer.act(1, "test:act", RED)
            await until(begun)
            other.act(0, "test:act", {"name": "blue"})
            await other.answer()
            assert peer.inbox_is_empty
            may_end.set()
            responses = [await peer.until("ActionResponse") for _ in range(2)]

        assert [each["requestId"] for each in responses] == [0, 1]
        assert responses[1]["result"] == 2.0


class TestLogLines:
    """What functions log is for developers: their settings have a handler that keeps it."""

    @pytest.fixture(params=[True, False], ids=["in development", "in production"])
    def lines(self, request: pytest.FixtureRequest) -> Iterator[list[str]]:
        handler = ConsoleHandler()
        if request.param:
            logging.getLogger().addHandler(handler)
        yield ["[INFO] writing red", "[WARN] looked at red"] if request.param else []
        logging.getLogger().removeHandler(handler)

    async def test_come_with_the_result(self, lines: list[str]) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:shout", RED)
            response = await peer.answer()
            peer.watch(0, "test:log", RED)
            (change,) = (await peer.news())["modifications"]

        assert response["logLines"] + change["logLines"] == lines

    async def test_come_with_a_failure_too(self, lines: list[str]) -> None:
        async with SyncPeer() as peer:
            peer.mutate(0, "test:shout", RED)
            await peer.answer()
            peer.mutate(1, "test:shout", RED)
            failed = await peer.answer()

        assert failed["success"] is False
        assert failed["logLines"] == lines[:1]

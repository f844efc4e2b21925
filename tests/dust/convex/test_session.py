"""The sync protocol's rules, one connection at a time, without a socket."""

from typing import Any

import pytest

from dust.convex import codec, messages
from dust.convex.effects import (
    Answered,
    Become,
    Close,
    Observe,
    Run,
    Sync,
    Tell,
    Unwatch,
    Verify,
    Watch,
)
from dust.convex.messages import Failure, Success
from dust.convex.session import (
    INTERNAL,
    MOST_MUTATIONS,
    MOST_QUERIES,
    NORMAL,
    TRY_AGAIN,
)
from dust.convex.values import ValuesError
from dust.livequery.errors import UnknownFunctionError
from dust.livequery.live import Transition
from tests.dust.convex.talking import NOW_MS, Client, add, result, said, version


class TestConnect:
    def test_asks_for_timestamps_above_those_the_client_has_seen(self) -> None:
        client = Client(connected=False)

        assert client.connect(max_observed_timestamp=messages.Timestamp(7)) == [Observe(7)]

    def test_comes_first(self) -> None:
        fatal, close = Client(connected=False).mutate(0)

        assert said(fatal)["type"] == "FatalError"
        assert close == Close(NORMAL)

    def test_comes_once(self) -> None:
        fatal, _ = Client().connect()

        assert "twice" in said(fatal)["error"]

    def test_may_come_after_telemetry(self) -> None:
        client = Client(connected=False)

        assert client.says(messages.Event()) == []
        assert client.connect() == []


class TestQuerySet:
    def test_is_watched_and_told_of_in_one_transition(self) -> None:
        client = Client()

        effects = client.modify(add(0), add(1, "users.js:current"))

        assert effects == [
            Watch(0, "messages:list", {}, None),
            Watch(1, "users:current", {}, None),
            Sync(),
        ]
        told = client.news(5, (0, result("1.0")), (1, result("null")))
        assert told["startVersion"] == version(0, 0, 0)
        assert told["endVersion"] == version(1, 0, 5)
        assert [each["queryId"] for each in told["modifications"]] == [0, 1]

    def test_goes_on_from_where_it_was(self) -> None:
        client = Client()
        client.modify(add(0))
        client.news(5, (0, result()))

        client.modify()

        told = client.news(6)
        assert (told["startVersion"], told["endVersion"]) == (version(1, 0, 5), version(2, 0, 6))
        assert told["modifications"] == []

    def test_has_its_new_version_as_soon_as_news_is_asked_for(self) -> None:
        client = Client()
        change = messages.ModifyQuerySet(0, 1, [add(0)])
        effects = client.session.receive(change, now_ms=NOW_MS)

        asked = [next(effects), next(effects)]
        told = client.news(5, (0, result()))

        assert asked[-1] == Sync()
        assert told["endVersion"] == version(1, 0, 5)

    def test_takes_over_the_journal_of_another_connection(self) -> None:
        (watch, _) = Client().modify(add(0, journal="there"))

        assert watch == Watch(0, "messages:list", {}, "there")

    def test_tells_of_what_is_removed(self) -> None:
        client = Client()
        client.modify(add(0))
        client.news(5, (0, result()))

        assert client.modify(messages.Remove(0)) == [Unwatch(0), Sync()]
        assert client.news(6)["modifications"] == [{"type": "QueryRemoved", "queryId": 0}]
        assert client.news(7)["modifications"] == []

    def test_tells_of_what_cannot_be_watched(self) -> None:
        client = Client()
        client.modify(add(0, "messages:nothing"), add(1))
        client.session.query_refused(0, UnknownFunctionError("messages:nothing", kind="query"))

        failed, updated = client.news(5, (1, result()))["modifications"]

        assert failed == {
            "type": "QueryFailed",
            "queryId": 0,
            "errorMessage": "Could not find public function for 'messages:nothing'.",
            "logLines": [],
            "journal": None,
        }
        assert updated["queryId"] == 1

    def test_fails_a_query_whose_arguments_are_no_values(self) -> None:
        client = Client()

        effects = client.modify(add(0, args=ValuesError("args.x is no value.")))

        assert effects == [Sync()]
        (failed,) = client.news(5)["modifications"]
        assert failed["errorMessage"] == "args.x is no value."

    def test_lets_go_of_what_could_not_be_watched(self) -> None:
        client = Client()
        client.modify(add(0, args=ValuesError("No.")))

        assert client.modify(messages.Remove(0)) == [Sync()]
        assert client.news(5)["modifications"] == [{"type": "QueryRemoved", "queryId": 0}]

    def test_is_limited(self) -> None:
        client = Client()

        effects = client.modify(*(add(number) for number in range(MOST_QUERIES + 1)))

        assert len([each for each in effects if isinstance(each, Watch)]) == MOST_QUERIES
        (failed,) = client.news(5)["modifications"]
        assert failed["queryId"] == MOST_QUERIES
        assert "thousand" in failed["errorMessage"]

    @pytest.mark.parametrize(("base", "new"), [(1, 2), (0, 0)])
    def test_of_another_version_ends_the_connection(self, base: int, new: int) -> None:
        client = Client()

        fatal, close = client.says(messages.ModifyQuerySet(base, new, []))

        assert "ersion" in said(fatal)["error"]
        assert close == Close(NORMAL)
        assert client.modify() == []

    @pytest.mark.parametrize("modification", [add(0), messages.Remove(9)])
    def test_that_makes_no_sense_has_the_client_begin_anew(self, modification: Any) -> None:
        client = Client()
        client.modify(add(0))

        assert client.modify(modification) == [Close(INTERNAL, "InternalServerError")]
        assert list(client.session.news(Transition(5, ()))) == []


class TestIdentity:
    def test_is_verified_first_and_then_told_of(self) -> None:
        client = Client()
        (verify,) = client.authenticate("token")
        assert isinstance(verify, Verify)
        assert client.news(4)["endVersion"]["identity"] == 0

        effects = list(client.session.accepted("alice"))

        assert effects == [Become("alice"), Sync()]
        assert client.news(5)["endVersion"] == version(0, 1, 5)

    def test_has_its_new_version_as_soon_as_news_is_asked_for(self) -> None:
        client = Client()
        client.authenticate("token")
        effects = client.session.accepted("alice")

        asked = [next(effects), next(effects)]
        told = client.news(5)

        assert asked[-1] == Sync()
        assert told["endVersion"] == version(0, 1, 5)

    def test_of_nobody_needs_no_verifying(self) -> None:
        client = Client()

        assert client.authenticate(kind="None") == [Become(None), Sync()]

    def test_is_that_of_what_was_asked_for_under_it(self) -> None:
        client = Client()
        client.authenticate()
        list(client.session.accepted("alice"))
        (first,) = client.mutate(0)
        client.mutate(1)

        client.authenticate(kind="None")

        second = client.ended(first, Success(b"null", 5))[-1]
        assert isinstance(second, Run)
        assert second.caller == "alice"

    def test_that_is_refused_ends_the_connection(self) -> None:
        client = Client()
        client.authenticate()

        error, close = client.session.refused("Not good.")

        assert said(error) == {
            "type": "AuthError",
            "error": "Not good.",
            "baseVersion": 0,
            "authUpdateAttempted": True,
        }
        assert close == Close(NORMAL)
        assert client.mutate(0) == []

    def test_that_expires_ends_the_connection(self) -> None:
        client = Client()
        client.authenticate()
        list(client.session.accepted("alice"))

        error, _ = client.session.expired("Too old.")

        assert (said(error)["baseVersion"], said(error)["authUpdateAttempted"]) == (1, False)
        assert list(client.session.expired("Too old.")) == []

    def test_of_another_version_has_the_client_begin_anew(self) -> None:
        effects = Client().says(messages.Authenticate(3, "User", "token"))

        assert effects == [Close(INTERNAL, "InternalServerError")]

    def test_goes_with_what_time_it_is(self) -> None:
        client = Client(connected=False)
        client.connect(client_ts=NOW_MS + 250)

        assert client.news(5)["clientClockSkew"] == 250
        assert "clientClockSkew" not in client.news(6)
        client.authenticate(kind="None")
        assert client.news(7)["serverTs"] == 7

    def test_accepted_too_late_is_of_no_account(self) -> None:
        client = Client()
        client.authenticate()
        list(client.session.overloaded("Busy"))

        assert list(client.session.accepted("alice")) == []


class TestMutations:
    def test_are_answered_before_what_they_wrote_is_shown(self) -> None:
        client = Client()
        (run,) = client.mutate(0)

        response, *then = client.ended(run, Success(b"1.0", 5, ["[LOG] hi"]))

        assert said(response) == {
            "type": "MutationResponse",
            "requestId": 0,
            "success": True,
            "result": 1.0,
            "ts": codec.encode_ts(5),
            "logLines": ["[LOG] hi"],
        }
        assert then == [Answered()]

    def test_run_one_after_the_other(self) -> None:
        client = Client()
        (first,) = client.mutate(0)
        assert client.mutate(1) == client.mutate(2) == []

        second = client.ended(first, Success(b"null", 5))[-1]
        assert isinstance(second, Run)
        third = client.ended(second, Failure("No."))[-1]
        assert isinstance(third, Run)

        assert [second.request_id, third.request_id] == [1, 2]
        assert client.ended(third, Success(b"null", 7))[-1] == Answered()

    def test_that_fail_are_followed_by_news_too(self) -> None:
        client = Client()
        (run,) = client.mutate(0)

        response, *then = client.ended(run, Failure("Full.", b'{"seats":5}'))

        assert said(response) == {
            "type": "MutationResponse",
            "requestId": 0,
            "success": False,
            "result": "Full.",
            "ts": None,
            "logLines": [],
            "errorData": {"seats": 5},
        }
        assert then == [Answered()]

    def test_with_arguments_that_are_no_values_fail(self) -> None:
        bad = messages.Mutation(udf_path="a:b", args=ValuesError("args.x is no."), request_id=0)

        response, sync = Client().says(bad)

        assert (said(response)["success"], said(response)["result"]) == (False, "args.x is no.")
        assert sync == Sync()

    def test_that_are_too_many_have_the_client_come_back_later(self) -> None:
        client = Client()
        for number in range(MOST_MUTATIONS + 1):
            client.mutate(number)

        assert client.mutate(9_999) == [Close(TRY_AGAIN, "TooManyConcurrentMutations")]

    def test_of_an_impossible_name_end_the_connection(self) -> None:
        fatal, _ = Client().mutate(0, path="a b")

        assert "a b" in said(fatal)["error"]

    def test_end_with_the_connection_unanswered(self) -> None:
        client = Client()
        (run,) = client.mutate(0)
        assert list(client.session.broken()) == [Close(INTERNAL, "InternalServerError")]

        assert client.ended(run, Success(b"null", 5)) == []


class TestActions:
    def test_run_beside_each_other(self) -> None:
        client = Client()
        (first,), (second,) = client.act(0), client.act(1)

        response, sync = client.ended(second, Success(b'"x"'))

        assert said(response) == {
            "type": "ActionResponse",
            "requestId": 1,
            "success": True,
            "result": "x",
            "logLines": [],
        }
        assert sync == Sync()
        assert isinstance(first, Run)

    def test_with_arguments_that_are_no_values_fail(self) -> None:
        bad = messages.Action(udf_path="a:b", args=ValuesError("No."), request_id=0)

        response, sync = Client().says(bad)

        assert said(response)["success"] is False
        assert sync == Sync()

    def test_that_are_too_many_have_the_client_come_back_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dust.convex.session.MOST_ACTIONS", 1)
        client = Client()
        client.act(0)

        assert client.act(1) == [Close(TRY_AGAIN, "TooManyConcurrentActions")]


class TestNews:
    def test_are_one_text_for_sockets_that_have_come_the_same_way(self) -> None:
        one, other, late = Client(), Client(), Client()
        for client in (one, other):
            client.modify(add(0))
            client.news(5, (0, result()))
        late.modify(add(0))
        changes: Any = [(0, result("2.0"))]
        transition = Transition(6, changes)

        (first,), (second,), (third,) = (
            list(client.session.news(transition)) for client in (one, other, late)
        )

        assert isinstance(first, Tell)
        assert isinstance(second, Tell)
        assert first.text is second.text
        assert first != third

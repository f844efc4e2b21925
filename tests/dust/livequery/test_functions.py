"""Functions: what can be declared, what is checked at a call, and what one run may see and do."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from django.db import connection

from dust.errors import ForbiddenError, RateLimitedError
from dust.identity import Identity
from dust.limits import Limit
from dust.livequery.capture import reading
from dust.livequery.context import SIGNED_IN, SUBJECT, QueryContext
from dust.livequery.errors import InvalidArgumentsError, UnknownFunctionError
from dust.livequery.execution import (
    Outcome,
    Result,
    ServerError,
    run_mutation,
    run_query,
    run_query_alone,
)
from dust.livequery.registry import FunctionSpec, Kind, find_function, query
from dust.livequery.shapes import AnyArgs
from dust.livequery.transactions import snapshot
from dust.livequery.writing import RequestKey
from tests.livequery_app.functions import NoArgs, TeamArgs
from tests.livequery_app.models import Team
from tests.rest import unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = Identity("https://issuer.test", "alice", {"role": "admin", "plan": None})


def find(path: str) -> FunctionSpec:
    return find_function(path, kind=Kind.QUERY, internal=True)


def ask(path: str, **args: Any) -> Result:
    return run_query_alone(find(path), args, None)


def handled(handler: Any, caller: Identity | None = ALICE) -> Outcome:
    spec = FunctionSpec("test:local", Kind.QUERY, handler, NoArgs, Any)
    with snapshot():
        return run_query(spec, NoArgs(), caller, now=datetime(2026, 1, 1, tzinfo=UTC))


class TestDeclaration:
    def test_refuses_a_struct_that_takes_unknown_fields(self) -> None:
        class Loose(msgspec.Struct):
            name: str

        def handler(ctx: QueryContext, args: Loose) -> int:
            return 1

        handler.__annotations__["args"] = Loose
        with pytest.raises(TypeError, match="forbid unknown fields"):
            query("test:loose")(handler)

    def test_refuses_a_function_that_does_not_say_what_it_returns(self) -> None:
        def handler(ctx: QueryContext, args: NoArgs):  # type: ignore[no-untyped-def]
            return 1

        with pytest.raises(TypeError, match="what it returns"):
            query("test:silent")(handler)

    def test_refuses_a_function_without_arguments_struct(self) -> None:
        def handler(ctx: QueryContext, args: int) -> int:
            return args

        with pytest.raises(TypeError, match="annotated Struct"):
            query("test:bare")(handler)

    def test_refuses_a_name_that_is_taken(self) -> None:
        with pytest.raises(TypeError, match="twice"):
            query("test:total")(find("test:total").handler)


class TestFindFunction:
    @pytest.mark.parametrize("path", ["test:nothing", "test:internal", "test:increment", ""])
    def test_looks_the_same_for_unknown_internal_and_other_kinds(self, path: str) -> None:
        with pytest.raises(UnknownFunctionError) as refused:
            find_function(path, kind=Kind.QUERY)

        assert refused.value.message == f"There is no query named {path}."


class TestArguments:
    @pytest.mark.parametrize(
        ("args", "named"),
        [
            ({}, "name"),
            ({"name": 1}, "name"),
            ({"name": None}, "name"),
            ({"name": "a", "points": "1"}, "points"),
            ({"name": "a", "points": 1.5}, "points"),
            ({"name": "a", "points": True}, "points"),
            ({"name": "a", "points": float("nan")}, "points"),
            ({"name": "a", "extra": 1}, "extra"),
        ],
    )
    def test_refuses_what_does_not_fit_and_names_the_field(
        self, args: dict[str, Any], named: str
    ) -> None:
        spec = find_function("test:increment", kind=Kind.MUTATION)

        with pytest.raises(InvalidArgumentsError, match=named) as refused:
            run_mutation(spec, args, None)

        assert (refused.value.status, refused.value.code) == (400, "invalid_arguments")

    def test_takes_a_whole_double_for_an_integer(self) -> None:
        spec = find_function("test:increment", kind=Kind.MUTATION)

        assert spec.parse({"name": "a", "points": 5.0}) == spec.parse({"name": "a", "points": 5})

    @pytest.mark.parametrize("huge", [2.0**63, -1e30, 1e308])
    def test_takes_no_integer_beyond_64_bits(self, huge: float) -> None:
        whole = find_function("test:increment", kind=Kind.MUTATION)
        real: Any = find_function("test:echo", kind=Kind.QUERY)

        with pytest.raises(InvalidArgumentsError, match="points"):
            whole.parse({"name": "a", "points": huge})
        assert repr(real.parse({"value": [huge]}).value) == repr([huge])

    def test_takes_a_negative_zero_for_what_the_type_has(self) -> None:
        whole: Any = find_function("test:increment", kind=Kind.MUTATION)
        real: Any = find_function("test:echo", kind=Kind.QUERY)

        assert repr(whole.parse({"name": "a", "points": -0.0}).points) == "0"
        assert repr(real.parse({"value": -0.0}).value) == "-0.0"

    def test_are_ignored_by_a_function_that_takes_any(self) -> None:
        spec = FunctionSpec("test:any", Kind.QUERY, lambda _ctx, _args: 1, AnyArgs, int)

        assert spec.parse({"deep": {"er": [1]}, "n": 0.5}) == spec.parse({}) == AnyArgs()


class TestLimit:
    LIMITED = FunctionSpec(
        "test:limited",
        Kind.MUTATION,
        lambda _ctx, args: Team.objects.create(name=f"{args.name} {Team.objects.count()}").name,
        TeamArgs,
        str,
        limit=Limit("test.limited", 2, 60),
    )

    def call(self, caller: Identity | None = ALICE, key: str | None = None, **args: Any) -> Any:
        request = None if key is None else RequestKey("a session", key, "the same")
        return run_mutation(self.LIMITED, {"name": "red"} | args, caller, request).value

    def test_is_everybodys_own(self) -> None:
        names = [self.call() for _ in range(2)]

        with pytest.raises(RateLimitedError):
            self.call()

        assert names == ["red 0", "red 1"]
        assert self.call(Identity(ALICE.issuer, "bob")) == "red 2"
        assert self.call(Identity("https://other.test", ALICE.subject)) == "red 3"

    def test_is_not_spent_by_a_repeated_request_nor_by_what_does_not_fit(self) -> None:
        first = self.call(key="1")

        assert [self.call(key="1") for _ in range(3)] == [first] * 3
        with pytest.raises(InvalidArgumentsError):
            self.call(name=7)
        assert self.call() == "red 1"
        with pytest.raises(RateLimitedError):
            self.call()

    def test_does_not_use_up_the_key_of_a_request_it_refuses(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(2):
            self.call()
        with pytest.raises(RateLimitedError):
            self.call(key="1")
        unspend_limits(monkeypatch)

        assert self.call(key="1") == "red 2"

    def test_is_nobodys(self) -> None:
        """Whoever is nobody is told apart from others by nothing: the function refuses them."""
        assert [self.call(None) for _ in range(3)] == ["red 0", "red 1", "red 2"]


class TestRunQuery:
    def test_refuses_a_result_of_another_type_than_declared(self) -> None:
        result = ask("test:lies")

        assert isinstance(result.error, ServerError)

    def test_tells_nothing_of_a_failure_that_nobody_anticipated(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        result = ask("test:fails", name="red")

        assert isinstance(result.error, ServerError)
        assert (result.error.message, result.value) == ("Server Error", None)
        (record,) = [r for r in caplog.records if r.message == "function failed"]
        assert record.__dict__["request_id"] == result.error.request_id
        assert "a secret" in str(record.exc_info)

    def test_tells_an_anticipated_failure(self) -> None:
        Team.objects.create(name="red")

        assert isinstance(ask("test:fails", name="red").error, ForbiddenError)

    def test_cannot_write(self) -> None:
        result = ask("test:writes", name="red")

        assert result.error is not None
        assert result.error.code == "write_in_query"
        assert not Team.objects.exists()

    def test_cannot_read_by_raw_sql_that_does_not_say_what_it_reads(self) -> None:
        def count(ctx: QueryContext, args: NoArgs) -> int:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM livequery_app_team")
                return int(cursor.fetchone()[0])

        def declared(ctx: QueryContext, args: NoArgs) -> int:
            with reading(Team):
                return count(ctx, args)

        refused, allowed = handled(count), handled(declared)

        assert refused.result.error is not None
        assert refused.result.error.code == "raw_sql_in_query"
        assert allowed.result.value == 0
        assert [read.table for read in allowed.reads] == ["livequery_app_team"]

    def test_writes_by_raw_sql_are_refused_by_the_database_itself(self) -> None:
        def sneak(ctx: QueryContext, args: NoArgs) -> None:
            with reading(Team), connection.cursor() as cursor:
                cursor.execute("DELETE FROM livequery_app_team")

        Team.objects.create(name="red")

        assert isinstance(handled(sneak).result.error, ServerError)
        assert Team.objects.exists()

    def test_has_one_time(self) -> None:
        assert ask("test:now").value is True

    def test_draws_the_same_for_the_same_call_and_differently_for_another(self) -> None:
        first, again = ask("test:draws", name="a"), ask("test:draws", name="a")
        other = ask("test:draws", name="b")

        assert first.value == again.value
        assert first.value[0] != first.value[1]
        assert first.value != other.value

    def test_equal_results_have_equal_versions_and_errors_have_their_own(self) -> None:
        assert Result.of([1]).version == Result.of([1]).version != Result.of([2]).version
        assert Result.failed(ForbiddenError()).version != Result.of(None).version
        assert Result.failed(ServerError("1")).version == Result.failed(ServerError("2")).version


class TestWhatIsReadOfTheCaller:
    @pytest.mark.parametrize(
        ("handler", "facts"),
        [
            (lambda ctx, _: 1, set()),
            (lambda ctx, _: ctx.identity is None, {SIGNED_IN}),
            (lambda ctx, _: ctx.identity.subject, {SIGNED_IN, SUBJECT}),
            (lambda ctx, _: ctx.identity.issuer, {SIGNED_IN, SUBJECT}),
            (lambda ctx, _: ctx.identity.key, {SIGNED_IN, SUBJECT}),
            (lambda ctx, _: ctx.identity.claims["role"], {SIGNED_IN, "claim:role"}),
            (lambda ctx, _: ctx.identity.claims.get("none"), {SIGNED_IN, "claim:none"}),
            (lambda ctx, _: "none" in ctx.identity.claims, {SIGNED_IN, "claim:none"}),
            (
                lambda ctx, _: sorted(ctx.identity.claims),
                {SIGNED_IN, SUBJECT, "claim:role", "claim:plan"},
            ),
        ],
    )
    def test_is_recorded_and_nothing_else_is(self, handler: Any, facts: set[str]) -> None:
        assert handled(handler).facts == facts

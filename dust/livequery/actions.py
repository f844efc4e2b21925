"""Actions: functions that talk to the outside, in threads of their own, in no transaction."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from dust.livequery import runner
from dust.livequery.context import Caller, Context
from dust.livequery.errors import ActionTimeoutError
from dust.livequery.execution import Result, run_mutation, run_query_alone
from dust.livequery.registry import FunctionSpec, Kind, find_function
from dust.livequery.scheduler import Scheduler
from dust.livequery.writing import Written

PER_PROCESS = 64
PER_SOCKET = 8
LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How an action tells the time, and where what needs the database is done."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    call: Callable[[Callable[[], Any]], Any] = runner.run_blocking


SERVING = Surroundings()


class ActionContext(Context):
    """What an action is given: besides who calls and when, ways to read and to write.

    Each query and mutation it calls is a transaction of its own, run in the process's pool, so an
    action that waits for somebody else's answer holds no database connection. What it schedules is
    scheduled at once, whatever becomes of the action.
    """

    def __init__(
        self,
        path: str,
        args: Any,
        caller: Caller | None,
        *,
        surroundings: Surroundings = SERVING,
    ) -> None:
        super().__init__(path, args, caller, now=surroundings.clock())
        self._as = caller
        self._surroundings = surroundings
        self.scheduler = Scheduler(clock=surroundings.clock, call=surroundings.call)

    def run_query(self, path: str, args: Mapping[str, Any]) -> Any:
        """Return what a query (public or internal) answers to this action's caller.

        :raises DustError: if the query fails.
        """
        spec = find_function(path, kind=Kind.QUERY, internal=True)
        now = self._surroundings.clock()
        run = partial(run_query_alone, spec, args, self._as, now=now)
        result: Result = self._surroundings.call(run)
        if result.error is not None:
            raise result.error
        return result.value

    def run_mutation(self, path: str, args: Mapping[str, Any]) -> Any:
        """Run a mutation (public or internal) as this action's caller.

        :raises DustError: if it fails; then it has left no trace.
        """
        spec = find_function(path, kind=Kind.MUTATION, internal=True)
        now = self._surroundings.clock()
        run = partial(run_mutation, spec, args, self._as, now=now)
        written: Written[Any] = self._surroundings.call(run)
        return written.value


def run_action(
    spec: FunctionSpec,
    args: msgspec.Struct,
    caller: Caller | None,
    *,
    surroundings: Surroundings = SERVING,
) -> Any:
    """Run an action in this thread.

    :raises DustError: if it fails.
    """
    context = ActionContext(spec.path, args, caller, surroundings=surroundings)
    return spec.check_result(spec.handler(context, args))


class Actions:
    """Runs a process's actions, at most so many at once and so many for one socket."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(PER_PROCESS, thread_name_prefix="dust-action")

    async def run(
        self,
        spec: FunctionSpec,
        args: Mapping[str, Any],
        caller: Caller | None,
        *,
        turn: asyncio.Semaphore,
    ) -> Any:
        """Run an action once its socket's ``turn`` comes.

        An action that is cut off after the longest time goes on in its thread, but nobody hears of
        its result: it may have happened or not, as with any call to the outside.

        :raises DustError: if it fails.
        :raises ActionTimeoutError: if it takes longer than allowed.
        """
        action = partial(run_action, spec, spec.parse(args), caller)
        work = partial(contextvars.copy_context().run, action)
        loop = asyncio.get_running_loop()
        async with turn:
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    return await loop.run_in_executor(self._executor, work)
            except TimeoutError as exc:
                raise ActionTimeoutError from exc

    def close(self) -> None:
        """Take no more actions; those under way are not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

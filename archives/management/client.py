"""A player's end of a running server: runs over REST, a board over its WebSocket."""

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx
from django.core.management.base import CommandError
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

PATIENCE_SECONDS = 10.0
SHOWN_ON_BOARD = 5

Json = Mapping[str, Any]


class RefusedError(Exception):
    """The server answered that this cannot be done, and said why by a code."""

    def __init__(self, body: Json) -> None:
        fields = (f"{name}: {' '.join(said)}" for name, said in body.get("fields", {}).items())
        super().__init__(" ".join([body["message"], *fields]))
        self.code = body["code"]


class Server:
    """The REST door, as one player sees it. ``skew`` is how far its clock is ahead of ours."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token
        self.skew = timedelta()
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/runs/", headers=headers, timeout=PATIENCE_SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str) -> Json:
        """Return what is there."""
        return self._ask("GET", path)

    def post(self, path: str, body: Json) -> Json:
        """Have something done, once, and return what came of it."""
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": secrets.token_hex()})

    def _ask(self, method: str, path: str, **options: Any) -> Json:
        try:
            answer = self._client.request(method, path, **options)
            body: Json = answer.json()
        except (httpx.HTTPError, ValueError) as exc:
            raise CommandError(f"{self.url} does not answer as expected: {exc}") from exc
        if "Date" in answer.headers:
            self.skew = parsedate_to_datetime(answer.headers["Date"]) - datetime.now(UTC)
        if answer.is_success:
            return body
        if answer.status_code in {401, 429, 500, 503}:
            raise CommandError(f"{self.url}: {body['message']}")
        raise RefusedError(body)


class Board:
    """A board over its WebSocket: what it shows now, and the player's own place on it."""

    def __init__(self, server: Server, board: str) -> None:
        self._name = board
        path = f"/ws/leaderboard/{board}/?limit={SHOWN_ON_BOARD}"
        self._url = server.url.replace("http", "ws", 1) + path
        self._offered: Any = ["dust.v1", f"bearer.{server.token}"]
        self._there = threading.Condition()
        self._shown: dict[str, Json] = {}
        self._is_connected = False
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        with suppress(OSError, WebSocketException):
            connecting = connect(self._url, subprotocols=self._offered)
            socket = self._closing.enter_context(connecting)
            socket.send('{"type": "watch_me"}')
            self._is_connected = True
            threading.Thread(target=self._listen, args=[socket], daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.close()

    def lines(self, *, own_score: int | None = None) -> Iterator[str]:
        """Yield what the board shows, when it shows that score or a better one as one's own."""
        with self._there:
            self._there.wait_for(lambda: self._has(own_score), timeout=PATIENCE_SECONDS)
            top, me = self._shown.get("top"), (self._shown.get("me") or {}).get("entry")
        if top is None:
            yield f"{self._name} cannot be watched at present."
            return
        best = (f"{rank_of(each)} {each['username']} {each['score']}" for each in top["results"])
        yield f"{self._name}, live: {' | '.join(best) or 'nobody yet'}"
        if me is not None:
            yield f"You are {rank_of(me)} with {me['score']}."

    def _has(self, own_score: int | None) -> bool:
        if not self._is_connected or not {"top", "me"} <= self._shown.keys():
            return not self._is_connected
        top, mine = self._shown["top"]["results"], self._shown["me"]["entry"]
        if own_score is None or mine is None:
            return own_score is None
        is_on_top = mine["rank"] is not None and mine["rank"] <= len(top)
        return mine["score"] >= own_score and (mine in top or not is_on_top)

    def _listen(self, socket: ClientConnection) -> None:
        with suppress(WebSocketException):
            for text in socket:
                message = json.loads(text)
                with self._there:
                    self._shown[message["type"]] = message
                    self._there.notify_all()


def rank_of(entry: Json) -> str:
    """Return where an entry stands, as a terminal shows it."""
    return "hidden" if entry["rank"] is None else f"#{entry['rank']}"

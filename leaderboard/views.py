"""REST: the boards, who stands on them, and results for them. And the boards as a page."""

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiParameter
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import REFUSALS
from accounts.services.players import ensure_user_key
from dust.livequery.transactions import Isolation, snapshot
from dust.rest.auth import Anybody, IsSignedIn, identity_of
from dust.rest.operations import Operation
from dust.rest.pages import page, page_of
from dust.rest.views import Answer, RestViewSet
from leaderboard import rules, serializers
from leaderboard.errors import (
    BoardNotFoundError,
    InvalidCursorError,
    LevelMismatchError,
    ScoreAboveBoundError,
)
from leaderboard.queries import boards
from leaderboard.rules import Source, Status
from leaderboard.services.scores import SUBMISSIONS, submit_score

PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",  # which covers WebSockets to here
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


class LeaderboardViewSet(RestViewSet):
    """Leaderboards."""

    lookup_url_kwarg = "board"
    lookup_value_regex = "[^/]+"
    path_parameters = [
        OpenApiParameter("board", str, OpenApiParameter.PATH, enum=list(rules.LEVEL_OF_BOARD))
    ]

    @Operation(access=Anybody, answers={200: page_of(serializers.Board)})
    def list(self, _request: Request) -> Response:
        """List the boards."""
        return Response(page(serializers.Board, boards.list_boards(), next_cursor=None))

    @Operation(
        access=Anybody,
        query=serializers.TopQuery,
        answers={200: page_of(serializers.Entry)},
        raises=[BoardNotFoundError, InvalidCursorError],
    )
    def retrieve(self, _request: Request, board: str) -> Response:
        """Show a board, best first.

        Of equal scores the earlier stands first, and they share their rank.
        """
        with snapshot():
            found = boards.get_top(board, **self.query)
        return Response(page(serializers.Entry, found.standings, next_cursor=found.next_cursor))

    @action(detail=True)
    @Operation(
        access=IsSignedIn,
        answers={200: serializers.Mine},
        raises=[BoardNotFoundError, *REFUSALS],
    )
    def me(self, request: Request, board: str) -> Response:
        """Show the caller's entry and rank."""
        with snapshot():
            standing = boards.find_my_entry(board, caller=identity_of(request))
        return Response(serializers.Mine.show({"entry": standing}))

    @action(detail=True)
    @Operation(
        access=IsSignedIn,
        query=serializers.AroundQuery,
        answers={200: serializers.Around},
        raises=[BoardNotFoundError, *REFUSALS],
    )
    def around(self, request: Request, board: str) -> Response:
        """Show the caller's entry among its neighbours."""
        with snapshot():
            found = boards.list_around(board, caller=identity_of(request), **self.query)
        return Response(serializers.Around.show({"results": found}))

    @action(detail=True, methods=["post"])
    @Operation(
        access=IsSignedIn,
        body=serializers.Play,
        answers={200: serializers.Submission, 201: serializers.Submission},
        limit=SUBMISSIONS,
        raises=[BoardNotFoundError, LevelMismatchError, ScoreAboveBoundError, *REFUSALS],
    )
    def entries(self, request: Request, board: str) -> Response:
        """Submit a result. It becomes the player's entry if it beats the one they have.

        Answered with 201 if this is their first on the board, else with 200, whether or not it is
        their best. Every result is kept in their history.
        """
        identity, now = identity_of(request), datetime.now(UTC)
        play = rules.Play(**self.body)

        def work() -> Answer:
            user_key = ensure_user_key(identity, now=now)
            submission = submit_score(
                board, play=play, user_id=user_key, source=Source.CLAIMED, now=now
            )
            is_new = submission.status is Status.CREATED
            return 201 if is_new else 200, serializers.Submission.show(
                {
                    "status": submission.status,
                    "leaderboard_updated": submission.status is not Status.UNCHANGED,
                    "board": board,
                    "entry": submission.best,
                }
            )

        # One statement decides, and it waits for whoever writes the same entry: see submit_score.
        return self.write(
            request, work, name="leaderboard.submit", isolation=Isolation.READ_COMMITTED
        )


@require_safe
def show_boards(request: HttpRequest) -> HttpResponse:
    """Show the page that shows the boards, live, to whoever comes by."""
    context = {
        "boards": rules.LEVEL_OF_BOARD.items(),
        "has_local_issuer": settings.LOCAL_ISSUER,
        "origin": f"{request.scheme}://{request.get_host()}",
    }
    response = render(request, "leaderboard/index.html", context)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response

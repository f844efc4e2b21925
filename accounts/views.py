"""REST: the caller's own account. And what Clerk announces."""

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import queries, rules
from accounts.errors import REFUSALS, AccountDeletedError
from accounts.serializers import AccountDeletion, AccountExport, Me, MeChange
from accounts.services import deletion, exports, players, webhooks
from dust.errors import DustError
from dust.limits import Limit
from dust.livequery.transactions import snapshot
from dust.rest.auth import IsSignedIn, identity_of
from dust.rest.errors import BodyTooLargeError, error_body
from dust.rest.operations import Operation
from dust.rest.views import Answer, RestViewSet

EXPORTS = Limit("accounts.export", rules.EXPORTS_PER_HOUR, 3600)
_KEPT_IN_MEMORY = 1024 * 1024


class MeViewSet(RestViewSet):
    """Who the caller is here.

    Who is banned can still look, take a copy of what is theirs, and leave.
    """

    @Operation(access=IsSignedIn, answers={200: Me}, raises=[AccountDeletedError])
    def retrieve(self, request: Request) -> Response:
        """Show the caller's account. Asking creates none: until they play, it is a preview."""
        return Response(Me.show(queries.get_profile(identity_of(request))))

    @Operation(access=IsSignedIn, body=MeChange, answers={200: Me}, raises=REFUSALS)
    def partial_update(self, request: Request) -> Response:
        """Change the caller's name or avatar, on every board at once.

        Where Clerk announces its users, what is changed there later takes the place of this.
        """
        identity, now = identity_of(request), datetime.now(UTC)

        def work() -> Answer:
            user = players.ensure_user(identity, now=now)
            players.update_profile(user, **self.body)
            return 200, Me.show(queries.profile_of(user))

        return self.write(request, work, name="me.update")

    @Operation(
        access=IsSignedIn,
        answers={202: AccountDeletion},
        raises=[AccountDeletedError],
        is_impersonal=True,
    )
    def destroy(self, request: Request) -> Response:
        """Delete the caller's account, for good.

        From now on it is refused and nameless; what it holds is erased in the next moments. It is
        refused until the identity provider announces the same identity anew. Only this request,
        repeated with its Idempotency-Key, is still answered.
        """
        identity, now = identity_of(request), datetime.now(UTC)

        def work() -> Answer:
            deletion.delete_account(identity.issuer, identity.subject, at=now, now=now)
            return 202, AccountDeletion.show({"deleted_at": now})

        return self.write(request, work, name="me.delete")

    @Operation(
        access=IsSignedIn, answers={200: AccountExport}, limit=EXPORTS, raises=[AccountDeletedError]
    )
    def export(self, request: Request) -> FileResponse:
        """Give the caller a copy of everything that is held about them."""
        identity = identity_of(request)
        self.spend_limit(request)
        # Written whole before any of it is sent: in one snapshot, and with room on disk for what
        # memory should not hold. The response closes the file.
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY))
            with snapshot():
                exports.write_export(identity, file, now=datetime.now(UTC))
            file.seek(0)
            stack.pop_all()
        response = FileResponse(
            file, as_attachment=True, filename="dust-export.json", content_type="application/json"
        )
        response.headers["Cache-Control"] = "no-store"
        return response


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """Take in what Clerk announces, if it is signed; a failure says no more than its kind."""
    try:
        webhooks.receive(_small_body(request), request.headers, now=datetime.now(UTC))
    except DustError as error:
        request_id = getattr(request, "request_id", None)
        body = msgspec.json.encode(error_body(error, request_id=request_id))
        return HttpResponse(body, status=error.status, content_type="application/json")
    return HttpResponse()


def _small_body(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as exc:
        raise BodyTooLargeError from exc
    if len(body) > rules.WEBHOOK_BODY_MAX:
        raise BodyTooLargeError
    return body

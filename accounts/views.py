"""REST: the caller's own account."""

from datetime import UTC, datetime

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import queries, services
from accounts.errors import AccountDisabledError
from accounts.serializers import Me, MeChange
from dust.rest.auth import IsSignedIn, identity_of
from dust.rest.operations import Operation
from dust.rest.views import Answer, RestViewSet


class MeViewSet(RestViewSet):
    """Who the caller is here."""

    @Operation(access=IsSignedIn, answers={200: Me})
    def retrieve(self, request: Request) -> Response:
        """Show the caller's account. Asking creates none: until they play, it is a preview."""
        return Response(Me.show(queries.get_profile(identity_of(request))))

    @Operation(access=IsSignedIn, body=MeChange, answers={200: Me}, raises=[AccountDisabledError])
    def partial_update(self, request: Request) -> Response:
        """Change the caller's name or avatar, on every board at once."""
        identity, now = identity_of(request), datetime.now(UTC)

        def work() -> Answer:
            user = services.ensure_user(identity, now=now)
            services.update_profile(user, **self.body)
            return 200, Me.show(queries.profile_of(user))

        return self.write(request, work, name="me.update")

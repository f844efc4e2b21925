"""A viewset that can do all that REST views can, with no app and no database behind it."""

import json
from datetime import datetime
from typing import Any

from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dust.identity import Identity, InvalidTokenError
from dust.limits import Limit
from dust.rest.auth import Anybody, IsSignedIn, identity_of
from dust.rest.operations import Operation
from dust.rest.pages import page, page_of
from dust.rest.serializers import Shape, WholeNumber
from dust.rest.views import Answer, RestViewSet

ISSUER = "https://issuer.test"
ALICE = Identity(ISSUER, "alice")
THROWS = Limit("toy.throw", 3, 60)

TOY = {"name": "top", "weight": 3}


def verify_token(token: str, *, now: datetime) -> Identity:
    """Believe every token that is a plain word, and take it for its bearer's name."""
    if not token.isalpha():
        raise InvalidTokenError
    return Identity(ISSUER, token)


class Toy(Shape):
    """A toy."""

    name = serializers.CharField(max_length=20)
    weight = WholeNumber(min_value=1, max_value=10)


class ToyQuery(Shape):
    """Which toys."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False, max_length=20)


class ToyBox:
    """What the views keep, and what they should fail with."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def add(self, toy: dict[str, Any]) -> None:
        if self.failure is not None:
            raise self.failure
        self.made.append(toy)


class ToyViewSet(RestViewSet):
    """Toys."""

    box: ToyBox | None = None

    @property
    def toys(self) -> ToyBox:
        assert self.box is not None
        return self.box

    @Operation(access=Anybody, query=ToyQuery, answers={200: page_of(Toy)})
    def list(self, _request: Request) -> Response:
        """List toys."""
        return Response(page(Toy, self.toys.made[: self.query["limit"]], next_cursor=None))

    @Operation(access=IsSignedIn, answers={200: Toy})
    def retrieve(self, request: Request, pk: str) -> Response:
        """Show whose toy it is."""
        if self.toys.failure is not None:
            raise self.toys.failure
        owner = identity_of(request).subject
        signed_in = request.user.is_authenticated
        return Response({"toy": pk, "owner": owner, "signed_in": signed_in})

    @Operation(access=IsSignedIn, body=Toy, answers={201: Toy}, limit=THROWS)
    def create(self, request: Request) -> Response:
        """Make a toy."""

        def work() -> Answer:
            self.toys.add(dict(self.body))
            return 201, Toy.show(self.body)

        return self.write(request, work, name="toy.create")

    def destroy(self, _request: Request, pk: str) -> Response:
        """Break a toy; whoever wrote this forgot to say who may."""
        del self.toys.made[int(pk)]
        return Response(status=204)


class Client:
    """Sends requests straight to the toys: no middleware and no routing."""

    def __init__(self, box: ToyBox) -> None:
        self._many = ToyViewSet.as_view({"get": "list", "post": "create"}, box=box)
        self._one = ToyViewSet.as_view({"get": "retrieve", "delete": "destroy"}, box=box)

    def send(self, method: str, path: str = "", *, body: Any = b"", **headers: str) -> Response:
        """Send it; a body that is not bytes yet becomes JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = RequestFactory().generic(
            method,
            f"/api/v1/toys/{path}",
            content,
            content_type=headers.pop("content_type", "application/json"),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        request.request_id = "r-1"  # type: ignore[attr-defined]
        key = path.partition("?")[0].strip("/")
        view = self._one if key else self._many
        response = view(request, pk=key) if key else view(request)
        assert isinstance(response, Response)
        response.render()
        return response


def read(response: Response) -> Any:
    """Return what a client reads of the answer."""
    return json.loads(response.content)

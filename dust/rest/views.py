"""The base class of every REST view: each action is declared once, and costs as little as it can.

An action checks nothing itself: by the time it runs, its caller is let in, and ``query`` and
``body`` hold what was asked, as read by the shapes that its ``Operation`` declares.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import MethodNotAllowed, UnsupportedMediaType
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet
from typing_extensions import override

from dust import limits
from dust.errors import InvalidError
from dust.livequery.replays import check_replay
from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write
from dust.rest.auth import BearerAuthentication, HeaderAuthentication, identity_of
from dust.rest.bodies import read_body
from dust.rest.errors import handle_error
from dust.rest.formats import JsonOnly, JsonParser, JsonRenderer
from dust.rest.idempotency import REPLAYED_HEADER, request_key
from dust.rest.operations import Operation, operation_of
from dust.rest.schema import Schema
from dust.rest.serializers import NoFields, Shape

Answer = tuple[int, Mapping[str, Any]]
"""What a write answers: status and JSON-able body, kept to be given again."""

_RENDERERS: list[BaseRenderer] = [JsonRenderer()]
_NEGOTIATOR = JsonOnly()


class JsonRequest(Request):
    """A request whose whole body is read first: it is small, and a write's fingerprint needs it."""

    def _parse(self) -> tuple[Any, Any]:
        body = read_body(self._request)
        if not body:
            return {}, MultiValueDict()
        parser = _NEGOTIATOR.select_parser(self, self.parsers or ())
        if parser is None:
            raise UnsupportedMediaType(self.content_type)
        return parser.parse(BytesIO(body)), MultiValueDict()


class RestViewSet(ViewSet):
    """A viewset whose actions carry an ``Operation``; one without is open to nobody.

    What Django REST framework looks up, negotiates and instantiates anew for every request is fixed
    here, and the objects are shared: they keep no state.
    """

    authentication_classes = [BearerAuthentication]
    parser_classes = [JsonParser]
    renderer_classes = [JsonRenderer]
    content_negotiation_class = JsonOnly
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    metadata_class = None
    versioning_class = None
    schema = Schema()

    path_parameters: ClassVar[Sequence[OpenApiParameter]] = ()
    """What the documentation says of the variables in the path."""

    authenticator: ClassVar[HeaderAuthentication] = BearerAuthentication()
    """How callers say who they are."""

    parser: ClassVar[JsonParser] = JsonParser()
    """How bodies are read."""

    operation: Operation
    query: Mapping[str, Any]
    body: Mapping[str, Any]

    @override
    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if request.encoding is not None:
            request.encoding = "utf-8"  # not what the client's Content-Type says of its body
        self.action = self.action_map.get((request.method or "").lower(), "")
        return JsonRequest(
            request,
            parsers=[self.parser],
            authenticators=[self.authenticator],
            negotiator=_NEGOTIATOR,
            parser_context={},
        )

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(
            request
        )
        if not self.action:
            raise MethodNotAllowed(request.method or "")
        self.operation = operation_of(self, self.action)
        self.perform_authentication(request)
        self.check_permissions(request)
        self.query = _read_query(self.operation.query, request)
        if self.operation.body is not None:
            self.body = self.operation.body.read(request.data)

    @override
    def perform_content_negotiation(
        self,
        request: Request,
        force: bool = False,
    ) -> tuple[Any, str]:
        if force:
            return _RENDERERS[0], JsonRenderer.media_type
        return _NEGOTIATOR.select_renderer(request, _RENDERERS)

    @override
    def get_permissions(self) -> Sequence[BasePermission]:
        return [operation_of(self, self.action).access()]

    @property
    @override
    def default_response_headers(self) -> dict[str, str]:
        return {}

    @override
    def get_renderer_context(self) -> dict[str, Any]:
        return {}

    @override
    def get_exception_handler(self) -> Callable[..., Response]:
        return handle_error

    def write(
        self,
        request: Request,
        work: Callable[[], Answer],
        *,
        name: str,
        isolation: Isolation = Isolation.SERIALIZABLE,
    ) -> Response:
        """Run ``work`` as the engine's ``run_write`` does, once for each Idempotency-Key.

        The operation's limit is spent inside the transaction, after the request is known to be a
        new one, so a repeated request costs nothing; and once, however often the work is retried.

        :raises DustError: as ``run_write`` does; or if the request is a repeated one whose caller
            is refused by now.
        """
        identity = identity_of(request)
        owner = "" if self.operation.is_impersonal else identity.key
        if (limit := self.operation.limit) is not None:
            work = limits.limited(work, limit, identity.key)
        key = request_key(request, identity, owner=owner)
        written = run_write(work, name=name, isolation=isolation, request=key)
        if written.replayed and owner:
            check_replay(identity)
        status, body = written.value
        headers = {REPLAYED_HEADER: "true"} if written.replayed else None
        return Response(body, status=status, headers=headers)

    def spend_limit(self, request: Request) -> None:
        """Take one use of the operation's limit, for reads that have one; writes do it themselves.

        :raises RateLimitedError: if none is left.
        """
        if (limit := self.operation.limit) is not None:
            limits.spend(limit, identity_of(request).key)


def _read_query(shape: type[Shape], request: Request) -> Mapping[str, Any]:
    if shape is NoFields and not request.META.get("QUERY_STRING"):
        return {}
    given = request.query_params
    repeated = {name: ["Give it once."] for name, values in given.lists() if len(values) > 1}
    if repeated:
        raise InvalidError(fields=repeated)
    return shape.read(given.dict())

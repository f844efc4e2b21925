"""The AsyncAPI document of the native WebSockets, made from the consumers themselves."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern
from django.utils.regex_helper import normalize
from django.views.decorators.http import require_safe

from dust.livequery.errors import InvalidArgumentsError
from dust.sockets.consumer import LiveConsumer
from dust.sockets.messages import BEARER_PREFIX, CLOSINGS, INVALID, SUBPROTOCOL

Document = dict[str, Any]
Struct = type[msgspec.Struct]

_DESCRIPTION = f"""\
Every message is one JSON object in a text frame; its `type` says which. No token is needed to
watch what is public. To be somebody, send `hello` with a token, or offer the subprotocols
`{SUBPROTOCOL}` and `{BEARER_PREFIX}` followed by the token; only `{SUBPROTOCOL}` is ever selected.

What is watched is sent at once, and again whenever it has changed; a client that is slow is sent
the newest state and not those in between. A `version` is a digest of what it stands beside: sent
along when coming back, it is answered by `unchanged` if nothing has, whichever server answers.

Each channel says what its query string may hold. Anything else there, or the same twice, is refused
as a bad value is: by the error `{InvalidArgumentsError.code}`, and a close with {INVALID.code}.
"""

_SCHEMAS = "#/components/schemas/"
_VARIABLE = re.compile(r"%\((\w+)\)s")

_SECURITY = {
    "hello": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Optional. The token is sent in the message `hello`.",
    },
    "subprotocol": {
        "type": "httpApiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": f"Optional. `{SUBPROTOCOL}, {BEARER_PREFIX}` and the token.",
    },
}


@require_safe
def show(request: HttpRequest, routes: Sequence[URLPattern]) -> HttpResponse:
    """Answer the document of what stands at these routes."""
    server = {
        "host": request.get_host(),
        "protocol": "wss" if request.is_secure() else "ws",
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
    }
    return JsonResponse(describe(routes, server=server))


def describe(routes: Iterable[URLPattern], *, server: Mapping[str, Any]) -> Document:
    """Return the document of what stands at these routes of a server."""
    consumers = {_address(route): _consumer(route) for route in routes}
    structs = dict.fromkeys(
        struct for consumer in consumers.values() for struct in (*_said(consumer), *_sent(consumer))
    )
    payloads, schemas = msgspec.json.schema_components(structs, ref_template=f"{_SCHEMAS}{{name}}")
    names = {
        struct: payload["$ref"].removeprefix(_SCHEMAS)
        for struct, payload in zip(structs, payloads, strict=True)
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": settings.SPECTACULAR_SETTINGS["TITLE"],
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "description": _DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {"this": server},
        "channels": {
            consumer.name: _channel(address, consumer, names)
            for address, consumer in consumers.items()
        },
        "operations": dict(
            operation
            for consumer in consumers.values()
            for operation in _operations(consumer, names)
        ),
        "components": {
            "messages": {name: _message(struct, name) for struct, name in names.items()},
            "schemas": schemas,
            "securitySchemes": _SECURITY,
        },
    }


def _consumer(route: URLPattern) -> type[LiveConsumer]:
    application: Any = route.callback
    consumer: type[LiveConsumer] = application.consumer_class
    return consumer


def _address(route: URLPattern) -> str:
    """Return the path, with its variables as the document writes them."""
    [(path, _names), *_] = normalize(route.pattern.regex.pattern)
    return "/" + _VARIABLE.sub(r"{\1}", path)


def _channel(address: str, consumer: type[LiveConsumer], names: Mapping[Struct, str]) -> Document:
    mentioned = [names[struct] for struct in (*_said(consumer), *_sent(consumer))]
    return {
        "address": address,
        "description": _first_paragraph(consumer),
        "parameters": {
            variable: {"enum": list(values)} for variable, values in consumer.parameters.items()
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in mentioned},
        "bindings": {
            "ws": {"method": "GET", "query": _options(consumer), "bindingVersion": "0.1.0"}
        },
        "x-close-codes": {str(closing.code): closing.reason for closing in CLOSINGS},
        "x-error-codes": {error.code: _first_paragraph(error) for error in consumer.raises},
    }


def _options(consumer: type[LiveConsumer]) -> Any:
    """Return the schema of the query string itself: a binding cannot refer to another place."""
    [reference], definitions = msgspec.json.schema_components([consumer.options_type])
    return definitions[reference["$ref"].rpartition("/")[2]]


def _operations(
    consumer: type[LiveConsumer], names: Mapping[Struct, str]
) -> Iterator[tuple[str, Document]]:
    """Yield what the server does: it receives what clients say, and sends the rest."""
    channel = f"#/channels/{consumer.name}"
    for action, structs in ("receive", _said(consumer)), ("send", _sent(consumer)):
        yield (
            f"{consumer.name}_{action}",
            {
                "action": action,
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{names[each]}"} for each in structs],
            },
        )


def _message(struct: Struct, name: str) -> Document:
    return {
        "name": struct.__struct_config__.tag,
        "summary": _first_paragraph(struct),
        "payload": {"$ref": f"{_SCHEMAS}{name}"},
    }


def _said(consumer: type[LiveConsumer]) -> Sequence[Struct]:
    """Return what clients may say."""
    return get_args(consumer.client_messages)


def _sent(consumer: type[LiveConsumer]) -> Sequence[Struct]:
    """Return what the server may send."""
    return get_args(consumer.server_messages)


def _first_paragraph(described: type) -> str:
    return " ".join((described.__doc__ or "").split("\n\n")[0].split())

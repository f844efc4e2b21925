"""What Clerk sends: verified, taken in once, handed to whoever asked for events of its type.

One endpoint serves all apps. Their handlers run in one transaction, in which the message's id is
remembered as well, like a REST write's Idempotency-Key and for as long: what was taken in is not
taken in again, and what failed can be sent again.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from prometheus_client import Counter

from accounts import rules
from accounts.errors import InvalidWebhookError, WebhooksNotConfiguredError
from dust.livequery.writing import RequestKey, run_write

ID_HEADER = "svix-id"
HEADERS = (ID_HEADER, "svix-timestamp", "svix-signature")

_LONGEST_KIND = 100

Handler = Callable[[dict[str, Any], datetime], None]

_handlers: defaultdict[str, list[Handler]] = defaultdict(list)

_received = Counter(
    "dust_webhook_events",
    "Webhook messages that were taken in; an event nobody asked for is of the type `other`.",
    ["type"],
)
_repeated = Counter("dust_webhook_repeats", "Webhook messages that had been taken in before.")
_refused = Counter("dust_webhook_refusals", "Webhook messages that were refused.")

logger = logging.getLogger(__name__)


def on_event(kind: str, handler: Handler) -> None:
    """Have the handler called with every event of that type (``user.created``) and the time.

    It is given the whole event (``data``, ``type``, ``timestamp``, …) as it was sent, inside the
    transaction. Events may come in any order, and fields may be missing. What it raises undoes the
    whole message, which is sent again later.
    """
    _handlers[kind].append(handler)


def receive(body: bytes, headers: Mapping[str, str], *, now: datetime) -> None:
    """Take in a message, once; one that has been taken in before changes nothing.

    :raises WebhooksNotConfiguredError: if there is no secret to verify it with.
    :raises InvalidWebhookError: if it is not signed, too old, or not understood.
    """
    try:
        event = _verified(body, headers)
    except InvalidWebhookError:
        _refused.inc()
        raise
    message_id = headers[ID_HEADER]
    request = RequestKey(scope="webhook", key=message_id, fingerprint="")
    written = run_write(lambda: _dispatch(event, now), name="webhook", request=request)
    kind = written.value
    if written.replayed:
        _repeated.inc()
        return
    _received.labels(kind if kind in _handlers else "other").inc()
    logger.info(
        "webhook taken in" if kind in _handlers else "webhook of a type nobody asked for",
        extra={"action": "webhook.receive", "type": kind, "message_id": message_id},
    )


def _dispatch(event: dict[str, Any], now: datetime) -> str:
    kind = event.get("type")
    if not isinstance(kind, str):
        return ""
    for handler in _handlers.get(kind, ()):
        handler(event, now)
    return kind[:_LONGEST_KIND]


def _verified(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the event; the body is not looked at before its signature is found good."""
    if not settings.CLERK_WEBHOOK_SECRETS:
        logger.error("CLERK_WEBHOOK_SECRET is not set", extra={"action": "webhook.refuse"})
        raise WebhooksNotConfiguredError
    signed = {name: headers[name] for name in HEADERS if name in headers}
    if len(signed.get(ID_HEADER, "")) > rules.WEBHOOK_ID_MAX:
        raise InvalidWebhookError
    if not any(_is_signed(body, signed, secret) for secret in settings.CLERK_WEBHOOK_SECRETS):
        raise InvalidWebhookError
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidWebhookError from exc


def _is_signed(body: bytes, headers: dict[str, str], secret: str) -> bool:
    # It brings along all of the service's API, a sixth of what every start would take.
    from svix.webhooks import Webhook, WebhookVerificationError  # noqa: PLC0415

    try:
        Webhook(secret).verify(body, headers)
    except (WebhookVerificationError, ValueError):  # the latter: not UTF-8, or not even a list
        return False
    return True

"""Clerk, as a server hears of it: its users, what it announces of them, and its signature."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

from django.test import Client
from prometheus_client import REGISTRY

from accounts.models import User

URL = "/clerk-users-webhook"
SECRET = "whsec_" + base64.b64encode(b"a secret between Clerk and us").decode()
ISSUER = "https://clerk.example"

_ids = count(1)


def clerk_user(subject: str = "user_ada", **changes: Any) -> dict[str, Any]:
    """Return a user as Clerk describes one; ``updated_at`` is in milliseconds."""
    return {
        "id": subject,
        "object": "user",
        "username": "ada",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "image_url": "https://img.clerk.com/ada",
        "has_image": True,
        "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com", "object": "email_address"},
            {"id": "idn_2", "email_address": "ada@example.com", "object": "email_address"},
        ],
        "phone_numbers": [],
        "external_id": None,
        "public_metadata": {},
        "private_metadata": {},
        "unsafe_metadata": {},
        "last_sign_in_at": 1000,
        "created_at": 1000,
        "updated_at": 1000,
    } | changes


def event(kind: str, data: Any, *, timestamp: int = 1000) -> dict[str, Any]:
    """Return what Clerk sends about it."""
    return {
        "data": data,
        "event_attributes": {"http_request": {"client_ip": "192.0.2.1", "user_agent": ""}},
        "instance_id": "ins_1",
        "object": "event",
        "timestamp": timestamp,
        "type": kind,
    }


def created(**changes: Any) -> dict[str, Any]:
    """Return the event of a new user."""
    return event("user.created", clerk_user(**changes), timestamp=changes.get("updated_at", 1000))


def updated(**changes: Any) -> dict[str, Any]:
    """Return the event of a user who has changed."""
    return event("user.updated", clerk_user(**changes), timestamp=changes.get("updated_at", 1000))


def deleted(subject: str = "user_ada", *, timestamp: int = 5000) -> dict[str, Any]:
    """Return the event of a user who is gone."""
    data = {"deleted": True, "id": subject, "object": "user"}
    return event("user.deleted", data, timestamp=timestamp)


def signature(body: bytes, *, message_id: str, at: int, secret: str = SECRET) -> str:
    """Sign as Svix does."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{message_id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def headers_for(
    body: bytes, *, message_id: str | None = None, at: datetime | None = None, secret: str = SECRET
) -> dict[str, str]:
    """Return the headers that Svix sends with the body."""
    message_id = message_id or f"msg_{next(_ids)}"
    seconds = int((at or datetime.now(UTC)).timestamp())
    return {
        "svix-id": message_id,
        "svix-timestamp": str(seconds),
        "svix-signature": signature(body, message_id=message_id, at=seconds, secret=secret),
    }


def send(client: Client, message: Any, **options: Any) -> Any:
    """Send it, signed, as a message of its own unless it is given an id."""
    body = json.dumps(message).encode()
    return client.post(URL, body, "application/json", headers=headers_for(body, **options))


def ada() -> User:
    """Return the user whom all of this is about."""
    return User.objects.get(issuer=ISSUER, subject="user_ada")


def count_of(name: str, **labels: str) -> float:
    """Return what a metric counts up to now."""
    return REGISTRY.get_sample_value(name, labels) or 0.0

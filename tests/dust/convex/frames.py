"""Frames as clients send them, one of each kind."""

from typing import Any

SESSION = "5f0e3b52-61c4-4b40-9d5c-6a7d2a8d9f10"
ADD = {"type": "Add", "queryId": 0, "udfPath": "messages:list", "args": [{"channel": "x"}]}
CONNECT = {
    "type": "Connect",
    "sessionId": SESSION,
    "connectionCount": 0,
    "lastCloseReason": "InitialConnect",
    "clientTs": 1795159409618,
}
MODIFY: dict[str, Any] = {
    "type": "ModifyQuerySet",
    "baseVersion": 0,
    "newVersion": 1,
    "modifications": [ADD, {"type": "Remove", "queryId": 3}],
}
MUTATION: dict[str, Any] = {
    "type": "Mutation",
    "requestId": 0,
    "udfPath": "messages:send",
    "args": [{"body": "hi"}],
}
ACTION: dict[str, Any] = MUTATION | {"type": "Action"}
USER = {"type": "Authenticate", "baseVersion": 0, "tokenType": "User", "value": "a.b.c"}
NOBODY = {"type": "Authenticate", "baseVersion": 1, "tokenType": "None"}
ADMIN = {"type": "Authenticate", "baseVersion": 0, "tokenType": "Admin", "value": "prod:a|b"}
ALICE = {"subject": "alice", "issuer": "https://issuer.example"}
EVENT = {"type": "Event", "eventType": "ClientConnect", "event": [{"name": "a", "startTime": 1.5}]}

GOOD = [CONNECT, MODIFY, MUTATION, ACTION, USER, NOBODY, ADMIN, EVENT]

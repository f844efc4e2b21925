"""What a request is known by, so that one that is sent again is run once."""

import hashlib

import msgspec

from dust.convex.effects import Run
from dust.livequery.writing import RequestKey


def key(run: Run, session_id: str | None) -> RequestKey:
    """Return what the mutation is known by, on this connection or any other of its session."""
    asked = msgspec.msgpack.encode((run.path, run.args), order="sorted")
    return RequestKey(
        scope=f"convex {session_id}",
        key=str(run.request_id),
        fingerprint=hashlib.blake2b(asked, digest_size=16).hexdigest(),
        owner="" if run.caller is None else run.caller.key,
    )


def name(run: Run, session_id: str | None) -> str:
    """Return what the log, and whoever is told that it failed, call the request.

    Clients can work it out themselves.
    """
    return hashlib.sha256(f"{session_id}|{run.request_id}".encode()).hexdigest()[:16]

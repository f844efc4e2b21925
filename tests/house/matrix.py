"""Who may call what of the REST door: every endpoint has a line here.

An endpoint without a line fails the tests, and so does a line that no endpoint has.
"""

from dataclasses import dataclass
from typing import Any

from archives.views import HasCredential
from dust.rest.auth import Anybody, IsSignedIn
from tests.archives import documents
from tests.rest import PLAY

OPEN = Anybody
SIGNED_IN = IsSignedIn
TOOL = HasCredential

DOCUMENT = "GET /api/v1/projects/<project>/pages/<page>/document/"
"""For operators alone, who are let in in tests/archives; and so are the tokens of tools."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """The rule, and the status for nobody, for a stranger and for the owner of what is there.

    The stranger is signed in and has never done anything here; the owner has what ``stage`` says. A
    moderator plays like everybody else: with a token they are a stranger, and with the admin's
    cookie, which no endpoint looks at, they are nobody.
    """

    rule: type
    nobody: int
    stranger: int
    owner: int
    body: Any = None


def named_by_path(document: documents.Json, key: str) -> Any:
    """Return a document as tools put it."""
    return {name: value for name, value in documents.snake(document).items() if name != key}


LINES: dict[str, Line] = {
    "GET /api/v1/me/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "PATCH /api/v1/me/": Line(
        rule=SIGNED_IN, nobody=401, stranger=200, owner=200, body={"username": "Someone"}
    ),
    "DELETE /api/v1/me/": Line(rule=SIGNED_IN, nobody=401, stranger=202, owner=202),
    "GET /api/v1/me/export/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/leaderboards/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/leaderboards/<board>/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/leaderboards/<board>/me/": Line(
        rule=SIGNED_IN, nobody=401, stranger=200, owner=200
    ),
    "GET /api/v1/leaderboards/<board>/around/": Line(
        rule=SIGNED_IN, nobody=401, stranger=200, owner=200
    ),
    "POST /api/v1/leaderboards/<board>/entries/": Line(
        rule=SIGNED_IN, nobody=401, stranger=201, owner=200, body=PLAY
    ),
    "GET /api/v1/sessions/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "POST /api/v1/sessions/": Line(rule=SIGNED_IN, nobody=401, stranger=201, owner=201, body={}),
    "GET /api/v1/sessions/active/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/sessions/<session>/": Line(rule=SIGNED_IN, nobody=401, stranger=404, owner=200),
    "PATCH /api/v1/sessions/<session>/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"version": 2, "score": 7}
    ),
    "POST /api/v1/sessions/<session>/finish/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"version": 2}
    ),
    "GET /api/v1/sessions/<session>/saves/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200
    ),
    "POST /api/v1/sessions/<session>/restore/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"version": 2, "save": 1}
    ),
    "POST /api/v1/sessions/<session>/events/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"events": []}
    ),
    "GET /api/v1/projects/<project>/levels/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/projects/<project>/levels/<level>/": Line(
        rule=OPEN, nobody=200, stranger=200, owner=200
    ),
    "GET /api/v1/projects/<project>/levels/<level>/variants/": Line(
        rule=OPEN, nobody=200, stranger=200, owner=200
    ),
    "GET /api/v1/projects/<project>/counts/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/projects/<project>/pages/<page>/": Line(
        rule=OPEN, nobody=200, stranger=200, owner=200
    ),
    DOCUMENT: Line(rule=SIGNED_IN, nobody=401, stranger=403, owner=403),
    "GET /api/v1/content/random/": Line(rule=OPEN, nobody=400, stranger=400, owner=400),
    "GET /api/v1/content/demo/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "PUT /api/v1/ingest/pages/<key>/": Line(
        rule=TOOL,
        nobody=401,
        stranger=401,
        owner=401,
        body=named_by_path(documents.page(), "page_id"),
    ),
    "PUT /api/v1/ingest/levels/<key>/": Line(
        rule=TOOL,
        nobody=401,
        stranger=401,
        owner=401,
        body=named_by_path(documents.level(), "level_id"),
    ),
    "PUT /api/v1/ingest/variants/<key>/": Line(
        rule=TOOL,
        nobody=401,
        stranger=401,
        owner=401,
        body=named_by_path(documents.variant(), "variant_id"),
    ),
    "GET /api/v1/archives/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "POST /api/v1/archives/": Line(
        rule=SIGNED_IN,
        nobody=401,
        stranger=404,
        owner=200,
        body={"session_id": "<session>", "items": []},
    ),
    "GET /api/v1/archives/totals/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/archives/export/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/archives/<archive>/": Line(rule=SIGNED_IN, nobody=401, stranger=404, owner=200),
    "POST /api/v1/runs/": Line(
        rule=SIGNED_IN, nobody=401, stranger=201, owner=201, body={"mode": "demo"}
    ),
    "GET /api/v1/runs/<run>/": Line(rule=SIGNED_IN, nobody=401, stranger=404, owner=200),
    "POST /api/v1/runs/<run>/lifelines/": Line(
        rule=SIGNED_IN,
        nobody=401,
        stranger=404,
        owner=200,
        body={"page": 1, "lifeline": "purge"},
    ),
    "POST /api/v1/runs/<run>/archive/": Line(
        rule=SIGNED_IN,
        nobody=401,
        stranger=404,
        owner=200,
        body={"page": 1, "section_ids": ["s1", "s3"]},
    ),
    "POST /api/v1/runs/<run>/next/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"page": 1}
    ),
    "POST /api/v1/runs/<run>/finish/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={}
    ),
}

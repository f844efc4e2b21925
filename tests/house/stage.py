"""Somebody who has one of everything that a player can have, and a way to ask for it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from archives.services import contents
from dust.identity import local_issuer
from tests.archives.documents import PROJECT, level, page, read_level, read_page
from tests.archives.playing import seed_contents
from tests.factories import UserFactory
from tests.house.routes import API
from tests.house.rows import create_groups
from tests.rest import PLAY, bearer

BOARD = "solo:3"


def build() -> None:
    """Have content: what players are shown, and what a run can be played with."""
    now = datetime.now(UTC)
    contents.upsert_page(read_page(), now=now)
    contents.upsert_level(read_level(), now=now)
    for is_demo in (True, False):
        seed_contents(2, is_demo=is_demo, now=now)


def enter(client: Client, path: str = "", *, owner: str = "owner") -> dict[str, str]:
    """Do what the owner has done; return what stands for the variables of paths and bodies.

    They have an entry on the board, and are in a game that was saved once and has an archive;
    where the path is one of runs, they have gone on from that game to a run.
    """
    send = partial(client.generic, content_type="application/json", headers=bearer(owner))
    send("POST", f"{API}leaderboards/{BOARD}/entries/", json.dumps(PLAY | {"score": 7}))
    session = json.loads(send("POST", f"{API}sessions/", "{}").content)["id"]
    send("PATCH", f"{API}sessions/{session}/", json.dumps({"version": 1, "score": 7}))
    archive = send("POST", f"{API}archives/", json.dumps({"session_id": session, "items": []}))
    run = "none"
    if "/runs/" in path:
        run = json.loads(send("POST", f"{API}runs/", '{"mode": "demo"}').content)["id"]
    return {
        "<run>": run,
        "<board>": BOARD,
        "<session>": session,
        "<archive>": json.loads(archive.content)["id"],
        "<project>": PROJECT,
        "<level>": level()["levelId"],
        "<page>": page()["pageId"],
        "<key>": "new",
    }


def appoint(role: str, *, name: str = "") -> User:
    """Return a player who is staff too, in the group of the role, and is called so or by name."""
    if not Group.objects.filter(name=role).exists():
        create_groups()
    user = UserFactory.create(issuer=local_issuer.ISSUER, username=name or role, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    return user


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """Return the path, or the JSON, with what is there in place of its variables."""
    for variable, value in variables.items():
        text = text.replace(variable, value)
    return text


def ask(
    client: Client,
    endpoint: str,
    body: Any,
    variables: Mapping[str, str],
    *,
    headers: dict[str, str] | None,
) -> Any:
    """Send a request and return its answer, read to its end."""
    method, path = endpoint.split()
    text = "" if body is None else filled_in(json.dumps(body), variables)
    path = filled_in(path, variables)
    answer = client.generic(method, path, text, "application/json", headers=headers)
    answer.getvalue()
    return answer

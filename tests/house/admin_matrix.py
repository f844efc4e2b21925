"""Who is shown which page of the admin, and what they can do there; and how to find that out.

A page without a line fails the tests, and so does a line that no page has.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import URLPattern

from accounts.models import User
from tests.house.rows import ATTACK, HARM

ADMIN = "/admin/"
ROLES = ("nobody", "staff", "moderator", "operator", "superuser")
NO_ONE: frozenset[str] = frozenset()
ROOT = frozenset({"superuser"})
OPERATORS = ROOT | {"operator"}
MODERATORS = OPERATORS | {"moderator"}
STAFF = MODERATORS | {"staff"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """Which roles are shown the list, its rows and their history, and what they are offered."""

    sees: Collection[str]
    adds: Collection[str] = NO_ONE
    edits: Collection[str] = NO_ONE
    deletes: Collection[str] = NO_ONE
    actions: Mapping[str, Collection[str]] = field(default_factory=dict)

    def of(self, role: str) -> tuple[bool, bool, bool, bool, set[str]]:
        """Return what the line says of one role, as walking finds it out."""
        offered = {name for name, roles in self.actions.items() if role in roles}
        asked = (self.sees, self.adds, self.edits, self.deletes)
        sees, adds, edits, deletes = (role in roles for roles in asked)
        return sees, adds, edits, deletes, offered


CONTENT = Line(sees=OPERATORS, actions={"delete_selected": OPERATORS})

LINES: dict[str, Line] = {
    "auth.Group": Line(
        sees=ROOT, adds=ROOT, edits=ROOT, deletes=ROOT, actions={"delete_selected": ROOT}
    ),
    "admin.LogEntry": Line(sees=MODERATORS),
    "livequery.Job": Line(sees=OPERATORS),
    "livequery.CronRow": Line(sees=OPERATORS),
    "convex.AdminKey": Line(sees=OPERATORS, actions={"revoke": OPERATORS}),
    "accounts.User": Line(
        sees=MODERATORS,
        adds=ROOT,
        edits=MODERATORS,
        actions={"ban": MODERATORS, "unban": MODERATORS, "delete_accounts": ROOT},
    ),
    "accounts.Ban": Line(sees=MODERATORS),
    "accounts.Tombstone": Line(sees=MODERATORS),
    "accounts.Erasure": Line(sees=OPERATORS),
    "gamesessions.GameSession": Line(sees=MODERATORS, actions={"void": MODERATORS}),
    "gamesessions.Save": Line(sees=MODERATORS, actions={"restore": MODERATORS}),
    "gamesessions.PlayEvent": Line(sees=MODERATORS),
    "leaderboard.Board": Line(sees=MODERATORS),
    "leaderboard.Attempt": Line(sees=MODERATORS),
    "leaderboard.Entry": Line(
        sees=MODERATORS,
        actions={"hide": MODERATORS, "unhide": MODERATORS, "delete_selected": MODERATORS},
    ),
    "archives.Page": CONTENT,
    "archives.Level": CONTENT,
    "archives.PageVariant": CONTENT,
    "archives.CachedContent": CONTENT,
    "archives.Archive": Line(sees=MODERATORS, actions={"delete_selected": ROOT}),
    "archives.Run": Line(sees=MODERATORS, actions={"void": MODERATORS}),
    "archives.IngestCredential": Line(
        sees=OPERATORS, adds=OPERATORS, actions={"revoke": OPERATORS}
    ),
}
STANDARD = ("changelist", "add", "history", "delete", "change")


def statuses(roles: Collection[str], *, refused: int = 403) -> tuple[int, ...]:
    """Return the status for each role if only these are let in; nobody is sent to sign in."""
    return 302, *(200 if role in roles else refused for role in ROLES[1:])


OTHERS: dict[str, tuple[str, tuple[int, ...]]] = {
    "index": ("", statuses(STAFF)),
    "login": ("login/", (200, 302, 302, 302, 302)),
    "logout": ("logout/", (302, 405, 405, 405, 405)),  # the way out is to post
    "password_change": ("password_change/", statuses(STAFF)),
    "password_change_done": ("password_change/done/", statuses(STAFF)),
    "jsi18n": ("jsi18n/", statuses(STAFF)),
    "autocomplete": (
        "autocomplete/?app_label=accounts&model_name=ban&field_name=user&term=a",
        statuses(MODERATORS),  # those who see all users anyway
    ),
    "view_on_site": ("r/1/1/", (410,) * len(ROLES)),
    "app_list": ("archives/", statuses(MODERATORS, refused=404)),
    "auth_user_password_change": ("accounts/user/{user}/password/", statuses(ROOT)),
    "archives_import": ("archives/level/import/", statuses(OPERATORS)),
    "archives_export": ("archives/level/export/", statuses(OPERATORS)),
}

ACTIONS = [
    (label, action)
    for label, line in LINES.items()
    for action in line.actions
    if label[:4] != "auth"
]
"""All but what Django itself does to groups."""


def sign_in(client: Client, people: Mapping[str, User], role: str) -> None:
    client.logout()
    if role in people:
        client.force_login(people[role])


def path_of(label: str, row: Any = None, page: str = "change") -> str:
    """Return the path of the list, or of a page of a row."""
    path = f"{ADMIN}{label.lower().replace('.', '/')}/"
    return path if row is None else f"{path}{quote(row.pk)}/{page}/"


def look(client: Client, path: str) -> Any:
    """Return the page, or None if one is refused or sent to sign in; a page does no harm."""
    answer = client.get(path)
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith(f"{ADMIN}login/"), path
        return None
    assert HARM not in answer.content.decode(), path
    assert answer.status_code in {200, 403}, path
    return answer if answer.status_code == 200 else None


def narrowings(listed: Any, *, most: int | None) -> Iterator[str]:
    """Yield the query of every choice of every filter that the list offers, or of the first few."""
    changes = listed.context["cl"]
    for spec in changes.filter_specs:
        choices = [choice["query_string"] for choice in spec.choices(changes)]
        yield from choices[1:][:most]


def offered(listed: Any) -> set[str]:
    form = listed.context.get("action_form")
    return {name for name, _ in form.fields["action"].choices if name} if form else set()


def walk(
    client: Client, label: str, row: Any, *, most: int | None
) -> tuple[bool, bool, bool, bool, set[str]]:
    """Look at all pages of a model; return what one sees and can do, as ``Line.of`` has it.

    Of each filter at most so many choices are tried.
    """
    listed = look(client, path_of(label))
    changed = look(client, path_of(label, row))
    pages = [changed, look(client, path_of(label, row, "history"))]
    queries = [f"?q={ATTACK}", "?q=%00", *(narrowings(listed, most=most) if listed else ())]
    pages += [look(client, path_of(label) + query) for query in queries]
    assert {bool(page) for page in pages} == {bool(listed)}, label
    adds = look(client, f"{path_of(label)}add/")
    edits = changed and b'name="_save"' in changed.content
    deletes = look(client, path_of(label, row, "delete"))
    actions = offered(listed) if listed else set()
    return bool(listed), bool(adds), bool(edits), bool(deletes), actions


def names_of(patterns: Collection[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield from [pattern.name] if pattern.name else []
        else:
            yield from names_of(pattern.url_patterns)

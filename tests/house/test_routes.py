"""What stands beside REST and the admin: every other path has a line here, and is tried."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.accounts import clerk
from tests.house.matrix import LINES
from tests.house.routes import API, patterns, views
from tests.house.stage import appoint
from tests.rest import bearer

pytestmark = pytest.mark.django_db

ADMIN = "/admin/"
PAGES = {
    "/": 200,
    "/favicon.ico": 302,
    "/api/schema/": 200,
    "/api/docs/": 200,
    "/api/asyncapi.json": 200,
    "/local-issuer/.well-known/openid-configuration": 200,
    "/local-issuer/.well-known/jwks.json": 200,
    "/admin/r/<path:row>": 410,  # which stands before the admin, and is nobody's
}
"""What a page answers to whoever asks for it."""

WEBHOOK = {"nobody": 400, "moderator": 400, "forger": 400, "repeater": 400, "clerk": 200}
"""What ``POST /clerk-users-webhook`` answers: without a signature, with a bad one, a good one."""

FORGED = "whsec_" + base64.b64encode(b"a secret of somebody else's").decode()


class TestRoutes:
    def test_have_a_line_each(self) -> None:
        """The admin's own are walked through in ``test_admin``."""
        of_rest = {endpoint.split()[1] for endpoint in LINES}
        of_admin = {path for path, _ in patterns(admin.site.urls[0], ADMIN.removeprefix("/"))}

        assert views().keys() == of_rest | of_admin | PAGES.keys() | {clerk.URL}
        assert all(path.startswith(API) for path in of_rest)


class TestPages:
    @pytest.mark.parametrize("path", PAGES)
    def test_are_the_same_for_everybody(self, client: Client, path: str) -> None:
        url = path.replace("<path:row>", "1/1/")
        nobody = client.get(url)
        player = client.get(url, headers=bearer("alice"))
        client.force_login(appoint("moderator"))
        moderator = client.get(url, headers=bearer("moderator"))

        answers = [nobody, player, moderator]
        assert [each.status_code for each in answers] == [PAGES[path]] * 3
        assert len({each.getvalue() for each in answers}) == 1

    @pytest.mark.parametrize("path", PAGES)
    def test_change_nothing(self, client: Client, path: str) -> None:
        answer = client.post(path.replace("<path:row>", "1/1/"), "{}", "application/json")

        assert answer.status_code == (PAGES[path] if PAGES[path] in {302, 410} else 405)


@pytest.mark.django_db(transaction=True)
class TestWebhook:
    """How a signature can be bad is tried in tests/accounts."""

    @pytest.mark.parametrize(("sender", "status"), WEBHOOK.items())
    def test_takes_in_what_is_signed_whoever_else_it_is_from(
        self, client: Client, settings: Settings, sender: str, status: int
    ) -> None:
        settings.CLERK_WEBHOOK_SECRETS = [clerk.SECRET]
        settings.CLERK_ISSUER = clerk.ISSUER
        body = json.dumps(clerk.created()).encode()
        long_ago = datetime.now(UTC) - timedelta(minutes=6)
        client.force_login(appoint("moderator"))
        headers = {
            "nobody": {},
            "moderator": bearer("moderator"),
            "forger": clerk.headers_for(body, secret=FORGED),
            "repeater": clerk.headers_for(body, at=long_ago),
            "clerk": clerk.headers_for(body),
        }[sender]

        answer = client.post(clerk.URL, body, "application/json", headers=headers)

        assert answer.status_code == status
        assert User.objects.filter(issuer=clerk.ISSUER).exists() == (status == 200)

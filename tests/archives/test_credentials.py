"""Credentials let a tool in, for its projects, until they are revoked."""

import re
from datetime import datetime, timedelta

import pytest

from archives.errors import (
    IngestCredentialRequiredError,
    InvalidContentError,
    ProjectNotCoveredError,
)
from archives.models import IngestCredential, Level, Page, PageVariant
from archives.services import credentials, ingesting
from archives.services.credentials import Issued
from dust.credentials import issuing
from dust.identity import Identity
from dust.identity.providers import INGEST_ISSUER, parse_providers
from tests.archives.documents import PROJECT, read_level, read_page, read_variant
from tests.factories import UserFactory, identity_of

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def issued(db: None, now: datetime) -> Issued:
    return credentials.create("the crawler", [PROJECT, "swamp"], now=now)


class TestCreate:
    def test_tells_the_token_and_keeps_a_digest(self, issued: Issued, now: datetime) -> None:
        row = IngestCredential.objects.get()

        assert re.fullmatch(r"dig_[0-9a-f]{12}_[\w-]{43}", issued.token)
        assert issued.token.startswith(f"dig_{row.handle}_")
        secret = issued.token.removeprefix(f"dig_{row.handle}_")
        assert secret not in str(IngestCredential.objects.values().get())
        assert (row.name, row.projects) == ("the crawler", [PROJECT, "swamp"])
        assert (row.created_at, row.last_used_at, row.revoked_at) == (now, None, None)

    def test_never_makes_the_same_twice(self, issued: Issued, now: datetime) -> None:
        assert credentials.create("another", [PROJECT], now=now).token != issued.token

    @pytest.mark.parametrize(
        ("name", "projects", "field"),
        [
            (" ", [PROJECT], "name"),
            ("n" * 101, [PROJECT], "name"),
            ("a\nb", [PROJECT], "name"),
            ("ok", [], "projects"),
            ("ok", [f"project-{number}" for number in range(51)], "projects"),
            ("ok", [PROJECT, ""], "projects"),
            ("ok", ["p" * 129], "projects"),
        ],
    )
    def test_refuses_what_says_too_little_or_too_much(
        self, name: str, projects: list[str], field: str, now: datetime
    ) -> None:
        with pytest.raises(InvalidContentError) as refused:
            credentials.create(name, projects, now=now)

        assert list(refused.value.fields) == [field]
        assert not IngestCredential.objects.exists()


class TestCheckToken:
    def test_says_who_comes_with_it(self, issued: Issued) -> None:
        caller = credentials.check_token(issued.token)

        assert caller == Identity(INGEST_ISSUER, issued.credential.handle)
        assert credentials.check_token(issued.token, PROJECT) == caller

    def test_refuses_other_projects(self, issued: Issued) -> None:
        with pytest.raises(ProjectNotCoveredError):
            credentials.check_token(issued.token, "desert_2")

    def test_refuses_whatever_is_not_the_token(self, issued: Issued) -> None:
        token = issued.token
        wrong = "A" if token[-1] != "A" else "B"
        for other in (
            "",
            "x",
            token[:-1],
            token + "A",
            token[:-1] + wrong,
            token.upper(),
            f" {token}",
            token.replace(issued.credential.handle, "0" * 12),
            issued.credential.token_digest,
            issued.credential.handle,
            "dig_\ud800",
        ):
            with pytest.raises(IngestCredentialRequiredError):
                credentials.check_token(other)

    def test_refuses_what_was_revoked(self, issued: Issued, now: datetime) -> None:
        issuing.revoke(IngestCredential, [issued.credential.id], now=now)

        with pytest.raises(IngestCredentialRequiredError):
            credentials.check_token(issued.token)


class TestRevoke:
    def test_tells_what_was_good_until_then(self, issued: Issued, now: datetime) -> None:
        first = issuing.revoke(IngestCredential, [issued.credential.id], now=now)
        second = issuing.revoke(IngestCredential, [issued.credential.id], now=now + MINUTE)

        assert [each.handle for each in first] == [issued.credential.handle]
        assert second == []
        assert IngestCredential.objects.get().revoked_at == now


class TestIngest:
    """What nobody in particular, a player or a stranger's tool sends is not kept: D5."""

    def test_keeps_what_comes_by_a_credential(self, issued: Issued, now: datetime) -> None:
        caller = credentials.check_token(issued.token)

        ingesting.ingest_page(read_page(), by=caller, now=now)
        ingesting.ingest_level(read_level(projectId="swamp"), by=caller, now=now)
        ingesting.ingest_variant(read_variant(), by=caller, now=now)

        assert (Page.objects.count(), Level.objects.count(), PageVariant.objects.count()) == (
            1,
            1,
            1,
        )

    def test_d5_refuses_everybody_else(self, issued: Issued, now: datetime) -> None:
        operator = UserFactory.create(username="operator", staff=True)
        callers = [
            None,
            identity_of(operator),
            Identity("https://issuer.example", issued.credential.handle),
            Identity(INGEST_ISSUER, "0" * 12),
            Identity(INGEST_ISSUER, ""),
        ]
        for caller in callers:
            with pytest.raises(IngestCredentialRequiredError):
                ingesting.ingest_page(read_page(), by=caller, now=now)
            with pytest.raises(IngestCredentialRequiredError):
                ingesting.ingest_level(read_level(), by=caller, now=now)
            with pytest.raises(IngestCredentialRequiredError):
                ingesting.ingest_variant(read_variant(), by=caller, now=now)

        assert not Page.objects.exists()
        assert not Level.objects.exists()
        assert not PageVariant.objects.exists()

    def test_d5_refuses_other_projects(self, issued: Issued, now: datetime) -> None:
        caller = credentials.check_token(issued.token)

        with pytest.raises(ProjectNotCoveredError):
            ingesting.ingest_page(read_page(projectId="theirs"), by=caller, now=now)

        assert not Page.objects.exists()

    def test_ends_with_the_credential_whoever_has_been_let_in(
        self, issued: Issued, now: datetime
    ) -> None:
        caller = credentials.check_token(issued.token)
        issuing.revoke(IngestCredential, [issued.credential.id], now=now)

        with pytest.raises(IngestCredentialRequiredError):
            ingesting.ingest_level(read_level(), by=caller, now=now)

    def test_notes_when_but_not_every_time(self, issued: Issued, now: datetime) -> None:
        caller = credentials.check_token(issued.token)
        used = []
        for seconds in (0, 59, 60, 61):
            moment = now + timedelta(seconds=seconds)
            ingesting.ingest_level(read_level(), by=caller, now=moment)
            used.append(IngestCredential.objects.get().last_used_at)

        assert used == [now, now, now + MINUTE, now + MINUTE]

    def test_is_nothing_that_a_token_of_others_could_claim(self) -> None:
        described = (
            f'[{{"type": "custom", "issuer": "{INGEST_ISSUER}", "algorithm": "ES256",'
            ' "jwks": "https://issuer.example/jwks"}]'
        )

        with pytest.raises(ValueError, match="cannot be an issuer"):
            parse_providers(described)

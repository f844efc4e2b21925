"""What functions see of a verified identity."""

from typing import Any

import pytest

from dust.identity import Identity

ADA = Identity("https://clerk.example", "user_2abc", {"name": "Ada"})


class TestIdentity:
    def test_plat_a3_is_named_by_issuer_and_subject(self) -> None:
        assert ADA.token_identifier == "https://clerk.example|user_2abc"

    def test_has_a_key_that_is_short_and_its_own(self) -> None:
        pairs = [("i", "s"), ("i|s", ""), ("is", ""), ("", "is"), ("i" * 255, "s" * 255)]

        keys = {Identity(issuer, subject).key for issuer, subject in pairs}

        assert len(keys) == len(pairs)
        assert {len(key) for key in keys} == {32}
        assert Identity("i", "s", {"name": "Ada"}).key == Identity("i", "s").key

    def test_equals_another_with_the_same_claims(self) -> None:
        same = Identity("https://clerk.example", "user_2abc", {"name": "Ada"})
        renamed = Identity("https://clerk.example", "user_2abc", {"name": "Eda"})

        assert same == ADA
        assert renamed != ADA
        assert hash(ADA) == hash(renamed)

    def test_plat_a3_shows_standard_claims_by_their_usual_names(self) -> None:
        claims = {
            "name": "Ada",
            "given_name": "Ada",
            "family_name": "Lovelace",
            "nickname": "ada",
            "preferred_username": "ada",
            "picture": "https://img.clerk.com/ada",
            "email": "ada@example.com",
            "email_verified": True,
            "updated_at": 1_700_000_000,
            "address": {"formatted": "London", "country": "UK"},
            "org_role": "admin",
        }

        assert Identity("i", "s", claims).attributes == {
            "tokenIdentifier": "i|s",
            "issuer": "i",
            "subject": "s",
            "name": "Ada",
            "givenName": "Ada",
            "familyName": "Lovelace",
            "nickname": "ada",
            "preferredUsername": "ada",
            "pictureUrl": "https://img.clerk.com/ada",
            "email": "ada@example.com",
            "emailVerified": True,
            "updatedAt": "2023-11-14T22:13:20+00:00",
            "address": "London",
            "org_role": "admin",
        }

    def test_dust_id_1_lets_no_claim_pass_for_who_it_is(self) -> None:
        claims = {"tokenIdentifier": "x|y", "issuer": "x", "subject": "y"}

        assert Identity("i", "s", claims).attributes == {
            "tokenIdentifier": "i|s",
            "issuer": "i",
            "subject": "s",
        }

    @pytest.mark.parametrize("value", ["2023-11-14T22:13:20Z", 1_700_000_000_000, -1, None])
    def test_leaves_a_time_in_other_units_as_it_is(self, value: Any) -> None:
        assert Identity("i", "s", {"updated_at": value}).attributes["updatedAt"] == value

import pytest

from dust.livequery.testing import assert_live, mutate


@pytest.mark.django_db(transaction=True)
def test_a_message_reaches_whoever_lists_them() -> None:
    with assert_live("messages:list"):
        mutate("messages:send", {"text": "Hello!", "author": "ada"})

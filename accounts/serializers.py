"""The shapes of accounts in REST."""

from rest_framework import serializers

from accounts import rules
from accounts.models import User
from dust.rest.serializers import Id, Shape, Time


class Me(Shape):
    """How the caller appears here. Without a row yet, ``id`` and ``created_at`` are null."""

    id = Id(User.TABLE_NUMBER, allow_null=True)
    issuer = serializers.CharField()
    subject = serializers.CharField()
    username = serializers.CharField()
    avatar_url = serializers.CharField(allow_blank=True)
    created_at = Time(allow_null=True)


class MeChange(Shape):
    """What to change; a field that is left out stays as it is."""

    username = serializers.CharField(required=False, max_length=rules.USERNAME_MAX)
    avatar_url = serializers.CharField(
        required=False,
        max_length=rules.AVATAR_URL_MAX,
        allow_blank=True,
        help_text="An http(s) URL, or empty for none.",
    )

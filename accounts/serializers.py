"""The shapes of accounts in REST."""

from rest_framework import serializers

from accounts import rules
from accounts.models import User
from dust.rest.serializers import Id, Shape, Text, Time


class BanNotice(Shape):
    """Why the caller is kept out, and until when."""

    reason = serializers.CharField()
    banned_at = Time()
    until = Time(allow_null=True, help_text="Null if it has no end.")


class Me(Shape):
    """How the caller appears here. Without a row yet, ``id`` and ``created_at`` are null."""

    id = Id(User.TABLE_NUMBER, allow_null=True)
    issuer = serializers.CharField()
    subject = serializers.CharField()
    username = serializers.CharField()
    avatar_url = serializers.CharField(allow_blank=True)
    created_at = Time(allow_null=True)
    ban = BanNotice(allow_null=True, help_text="Null for those who are not banned.")


class MeChange(Shape):
    """What to change; a field that is left out stays as it is."""

    username = Text(required=False, max_length=rules.USERNAME_MAX)
    avatar_url = Text(
        required=False,
        max_length=rules.AVATAR_URL_MAX,
        allow_blank=True,
        help_text="An http(s) URL, or empty for none.",
    )


class AccountDeletion(Shape):
    """Since when the account is refused."""

    deleted_at = Time()


class ExportedAccount(Shape):
    """The caller's account, whole."""

    id = serializers.CharField()
    issuer = serializers.CharField()
    subject = serializers.CharField()
    username = serializers.CharField()
    avatar_url = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    announced_at = serializers.DateTimeField(
        allow_null=True, help_text="When the identity provider last changed it."
    )
    is_active = serializers.BooleanField()
    is_banned = serializers.BooleanField()


class AccountExport(Shape):
    """Everything that is held about the caller."""

    exported_at = serializers.DateTimeField()
    account = ExportedAccount(allow_null=True, help_text="Null before the first write.")
    parts = serializers.DictField(
        child=serializers.ListField(child=serializers.DictField()),
        help_text="What each part of the game holds, row by row.",
    )

"""The table of users."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Now, Trim
from typing_extensions import override
from uuid_utils.compat import uuid7

from accounts import rules


class UserManager(BaseUserManager["User"]):
    """Creates staff. Players are created by ``accounts.services.players``."""

    def create_superuser(self, login: str, password: str | None = None, **fields: Any) -> "User":
        """Create a member of staff who may do everything, as ``createsuperuser`` asks.

        :raises ValueError: if the login is empty.
        """
        if not login.strip():
            raise ValueError("A member of staff needs a login.")
        user = self.model(**fields, is_superuser=True)
        user.become_staff(login)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """Someone with an identity: the pair of issuer and subject in their token, which never changes.

    Staff have no token. They sign in to the admin with ``login`` and a password, and the pair is
    ``local-staff`` and that login. ``username`` is what others see; two people may share one.

    ``email`` is for staff and for its owner, and stands in nothing that others are shown.
    ``is_banned`` says whether one of the user's bans is in force; only ``services.bans`` sets it.
    A deleted account gives up its pair and keeps its row, for what must not go with it: see
    ``services.deletion``.
    """

    TABLE_NUMBER: ClassVar[int] = 10001
    USERNAME_FIELD = "login"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    issuer = models.CharField(max_length=rules.ISSUER_MAX)
    subject = models.CharField(max_length=rules.SUBJECT_MAX)
    login = models.CharField(max_length=rules.LOGIN_MAX, unique=True, null=True)  # noqa: DJ001
    username = models.CharField(max_length=rules.USERNAME_MAX)
    avatar_url = models.CharField(max_length=rules.AVATAR_URL_MAX, blank=True, default="")
    email = models.CharField(
        max_length=rules.EMAIL_MAX, blank=True, default="", db_default="", editable=False
    )
    announced_at = models.DateTimeField(
        null=True, editable=False, help_text="What Clerk last said of them, by its clock."
    )
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_banned = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="accounts_user_identity"),
            models.CheckConstraint(
                condition=models.Q(username=Trim("username")) & ~models.Q(username=""),
                name="accounts_user_username_trimmed",
                violation_error_message="A username neither begins nor ends with a space.",
            ),
            models.CheckConstraint(
                condition=models.Q(avatar_url="")
                | models.Q(avatar_url__startswith="http://")
                | models.Q(avatar_url__startswith="https://"),
                name="accounts_user_avatar_url_web",
                violation_error_message="An avatar is an http(s) URL or nothing.",
            ),
            models.CheckConstraint(
                condition=models.Q(login__isnull=True)
                | models.Q(issuer=rules.STAFF_ISSUER, subject=models.F("login")),
                name="accounts_user_login_is_staff_identity",
            ),
        ]
        indexes = [
            # What the admin searches for. On PostgreSQL there are two more, for how names begin and
            # for the days on which users came.
            models.Index(fields=["subject"], name="accounts_user_subject"),
            models.Index(
                fields=["email"], condition=~models.Q(email=""), name="accounts_user_email"
            ),
            # The few that the admin looks for among millions, newest first.
            models.Index(
                fields=["-id"], condition=models.Q(is_staff=True), name="accounts_user_staff"
            ),
            models.Index(
                fields=["-id"], condition=models.Q(is_banned=True), name="accounts_user_banned"
            ),
            models.Index(
                fields=["-id"], condition=models.Q(is_active=False), name="accounts_user_disabled"
            ),
        ]

    @override
    def __str__(self) -> str:
        return self.username

    def become_staff(self, login: str) -> None:
        """Take the identity of a member of staff, and the login as name if there is none yet."""
        self.login = self.subject = login
        self.issuer = rules.STAFF_ISSUER
        self.is_staff = True
        self.username = self.username or login.strip()[: rules.USERNAME_MAX].strip()


class Ban(models.Model):
    """Why and until when somebody is kept out, on whose word, and how it ended.

    One that is not lifted is in force, also in the moment between its end and the job that lifts
    it. ``job`` is that job. Nobody has lifted what has simply expired.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="bans")
    reason = models.CharField(max_length=rules.BAN_REASON_MAX)
    banned_at = models.DateTimeField()
    banned_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    until = models.DateTimeField(null=True)
    job = models.UUIDField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    lifted_reason = models.CharField(max_length=rules.BAN_REASON_MAX, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(lifted_at__isnull=True),
                name="accounts_ban_one_in_force",
            )
        ]

    @override
    def __str__(self) -> str:
        until = "for good" if self.until is None else f"until {self.until:%Y-%m-%d %H:%M}"
        told = f"{self.banned_at:%Y-%m-%d %H:%M} {until}, by {self.banned_by}: {self.reason}"
        if self.lifted_at is None:
            return told
        by = f" by {self.lifted_by}: {self.lifted_reason}" if self.lifted_by else " as it was to be"
        return f"{told}. Lifted {self.lifted_at:%Y-%m-%d %H:%M}{by}"


class Tombstone(models.Model):
    """Marks a pair of issuer and subject as deleted: refused until it is lifted.

    That happens when the identity provider announces the pair anew. Both times are by the clock of
    whoever says so, since what a provider says may arrive in another order.
    """

    issuer = models.CharField(max_length=rules.ISSUER_MAX)
    subject = models.CharField(max_length=rules.SUBJECT_MAX)
    deleted_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], name="accounts_tombstone_identity"
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class Erasure(models.Model):
    """How far the erasing of a deleted account has come: ``part`` is the one it is at.

    The row knows no more of whose the account was than ``owner``, by which what is stored to answer
    their requests again is found, and which goes with it. The user it belongs to knows nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    part = models.CharField(max_length=64, blank=True)
    owner = models.CharField(max_length=32, blank=True, default="", db_default="")
    requested_at = models.DateTimeField()
    progressed_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["progressed_at"],
                condition=models.Q(finished_at__isnull=True),
                name="accounts_erasure_unfinished",
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.user_id}: {'done' if self.finished_at else self.part}"

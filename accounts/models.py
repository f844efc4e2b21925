"""The table of users."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Now, Trim
from typing_extensions import override
from uuid_utils.compat import uuid7

from accounts import rules


class UserManager(BaseUserManager["User"]):
    """Creates staff. Players are created by ``accounts.services``."""

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
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
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

    @override
    def __str__(self) -> str:
        return self.username

    def become_staff(self, login: str) -> None:
        """Take the identity of a member of staff, and the login as name if there is none yet."""
        self.login = self.subject = login
        self.issuer = rules.STAFF_ISSUER
        self.is_staff = True
        self.username = self.username or login.strip()[: rules.USERNAME_MAX].strip()

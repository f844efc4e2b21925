"""What is kept of every credential."""

from typing import ClassVar

from django.db import models
from typing_extensions import override
from uuid_utils.compat import uuid7

NAME_MAX = 100


class Credential(models.Model):
    """Lets somebody in until it is revoked. ``name`` says whom, or what for."""

    PREFIX: ClassVar[str]
    SEPARATOR: ClassVar[str] = "_"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=NAME_MAX)
    handle = models.CharField(max_length=16, unique=True, editable=False)
    token_digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @override
    def __str__(self) -> str:
        return f"{self.name} ({self.handle})"

from typing import ClassVar

from django.db import models
from typing_extensions import override


class Account(models.Model):
    id = models.BigAutoField(primary_key=True)
    balance = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager["Account"]] = models.Manager()

    class Meta:
        app_label = "bank"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(balance__gte=0), name="bank_account_never_overdrawn"
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.balance} in {self.pk}"

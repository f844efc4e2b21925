"""Wires the accounts app into Django."""

from django.apps import AppConfig
from typing_extensions import override


class AccountsConfig(AppConfig):
    """Users: who plays, who watches over the game, and what the others see of them."""

    name = "accounts"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from accounts.services import clerk, deletion, exports, webhooks  # noqa: PLC0415

        webhooks.on_event(clerk.CREATED, clerk.receive_user)
        webhooks.on_event(clerk.UPDATED, clerk.receive_user)
        webhooks.on_event(clerk.DELETED, clerk.receive_deletion)
        deletion.register_part("account", deletion.erase_account)
        exports.register_part("bans", exports.export_bans)

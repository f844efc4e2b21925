"""Wires the accounts app into Django."""

from django.apps import AppConfig
from typing_extensions import override


class AccountsConfig(AppConfig):
    """Users: who plays, who watches over the game, and what the others see of them."""

    name = "accounts"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from accounts import queries  # noqa: PLC0415
        from accounts.services import clerk, deletion, exports, importing, webhooks  # noqa: PLC0415
        from dust import moving  # noqa: PLC0415
        from dust.livequery.replays import on_replay  # noqa: PLC0415

        on_replay(queries.find_player_key)
        webhooks.on_event(clerk.CREATED, clerk.receive_user)
        webhooks.on_event(clerk.UPDATED, clerk.receive_user)
        webhooks.on_event(clerk.DELETED, clerk.receive_deletion)
        deletion.register_part("account", deletion.erase_account)
        deletion.register_part("requests", deletion.erase_requests)
        exports.register_part("bans", exports.export_bans)
        moving.register_table("users", importing.UserFields, importing.import_user)

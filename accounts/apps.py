"""Wires the accounts app into Django."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users: who plays, who watches over the game, and what the others see of them."""

    name = "accounts"

"""The page that a variant becomes."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from archives.errors import InvalidContentError
from archives.rules.adapter import adapt
from archives.rules.checking import plain, read
from archives.rules.playable import make_playable
from archives.rules.sources import Source


class Command(BaseCommand):
    """Adapt a variant from standard input, without a database."""

    help = (
        'Read {"variant": …, "original": …} as JSON from standard input and print the page that '
        "players get, as JSON. The original may be left out."
    )
    requires_system_checks = []

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--raw", action="store_true", help="as browsers adapt it, even if it cannot be won"
        )

    @override
    def handle(self, *, raw: bool, **options: Any) -> str:
        source = _source(sys.stdin.buffer.read())
        page = adapt(source.variant, source.original)
        page = page if raw else make_playable(page)
        return json.dumps(plain(page), ensure_ascii=False, indent=2)


def _source(text: bytes) -> Source:
    try:
        return read(Source, msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise CommandError(f"Not JSON: {exc}") from exc
    except InvalidContentError as exc:
        problems = [f"{field}: {problem}" for field, [problem, *_] in exc.fields.items()]
        raise CommandError(" ".join(problems) or exc.message) from exc

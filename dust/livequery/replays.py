"""Who may still be given the stored answer of a write that they have made before."""

from collections.abc import Callable

from dust.livequery.context import Caller

Check = Callable[[Caller], object]

_checks: list[Check] = []


def on_replay(check: Check) -> None:
    """Have ``check`` called with whoever is about to be given a stored answer.

    The request was let in when it ran; what the check raises refuses its caller now.
    """
    _checks.append(check)


def check_replay(caller: Caller) -> None:
    """Let everybody who asked to be called by ``on_replay`` refuse the caller."""
    for check in _checks:
        check(caller)

"""How one action of a viewset is declared: who may call it, what it takes, answers and raises.

The declaration is enforced by ``views``, documented by ``schema`` and enumerated by the tests.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission

from dust.errors import DustError
from dust.limits import Limit
from dust.rest.serializers import NoFields, Shape

Handler = TypeVar("Handler", bound=Callable[..., Any])

_ATTRIBUTE = "rest_operation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """The declaration of one action, used as its decorator (below ``@action`` where there is one).

    ``answers`` maps each status of success to the shape of its body. ``raises`` names the errors
    that are this action's own; those that every action of its kind may raise are known. What
    ``is_impersonal`` answers nothing that is about its caller: the answer is stored for nobody, and
    given again whatever has become of the account since.
    """

    access: type[BasePermission]
    answers: Mapping[int, type[Shape]]
    query: type[Shape] = NoFields
    body: type[Shape] | None = None
    limit: Limit | None = None
    raises: Sequence[type[DustError]] = ()
    is_impersonal: bool = False

    def __call__(self, handler: Handler) -> Handler:
        setattr(handler, _ATTRIBUTE, self)
        return handler


def operation_of(view: Any, action: str) -> Operation:
    """Return what the view declares of one of its actions.

    :raises ImproperlyConfigured: if it declares nothing, so that nothing is open by oversight.
    """
    declared = getattr(getattr(view, action), _ATTRIBUTE, None)
    if not isinstance(declared, Operation):
        raise ImproperlyConfigured(f"{type(view).__name__}.{action} needs an @Operation.")
    return declared

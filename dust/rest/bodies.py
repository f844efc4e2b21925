"""How large a request's body may be: the same everywhere but where much comes in at once."""

import re

from django.conf import settings
from django.http import HttpRequest

from dust.rest.errors import BodyTooLargeError


def limit_for(path: str) -> int:
    """Return how many bytes the body of a request for this path may have."""
    larger = (most for paths, most in settings.LARGE_BODIES.items() if re.match(paths, path))
    return next(larger, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def read_body(request: HttpRequest) -> bytes:
    """Return the request's whole body, also where more than Django's own limit is let in.

    :raises BodyTooLargeError: if it is larger than its path allows.
    """
    limit = limit_for(request.path_info)
    if limit > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and not hasattr(request, "_body"):
        body = request.read(limit + 1)
        if len(body) > limit:
            raise BodyTooLargeError
        # Where Django itself keeps a body that it has read; it would have refused this one.
        request._body = body  # noqa: SLF001
    return request.body

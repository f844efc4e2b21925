"""Large messages, read where nobody waits for it."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from dust.convex import codec
from dust.convex.messages import ClientMessage

LARGE_CHARACTERS: Final = 64 * 1024
"""A message longer than that is large."""

_reader = ThreadPoolExecutor(1, thread_name_prefix="dust-convex-reader")


async def read_large(text: str | None) -> ClientMessage:
    """Return what a client says, once all large messages that came before are read.

    Each may take many times its length for a moment.

    :raises ProtocolError: if clients do not say such things.
    """
    return await asyncio.get_running_loop().run_in_executor(_reader, _decode, text)


def _decode(text: str | None) -> ClientMessage:
    gc.disable()  # or it looks through millions of new objects over and over, and holds up everyone
    try:
        return codec.decode_client(text)
    finally:
        gc.enable()

"""A controller's answer, read with a bound on its size and its time: what answers there may be something else."""

import time
from typing import Any


def read_answer(answer: Any, *, bytes_max: int, by_s: float, decode: bool = True) -> bytes:
    """Return what an urllib3 response holds, `bytes_max` at most, as it comes.

    The timeout of a socket is one for each read: whoever sends a byte now and then would hold us up without end.

    Raises:
        TimeoutError: it is not over at `by_s`, of the monotonic clock.
    """
    # Before urllib3 2 there is none, and each read waits for all.
    read = getattr(answer, "read1", answer.read)
    pieces: list[bytes] = []
    left = bytes_max
    while left > 0:
        piece: bytes = read(left, decode_content=decode)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
        if time.monotonic() > by_s:
            raise TimeoutError("the answer does not end")
    return b"".join(pieces)

"""Random bytes are given out once each, whoever asks."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from gate.entropy import AT_ONCE, random_bytes


def test_no_piece_is_given_out_twice():
    with ThreadPoolExecutor(4) as pool:
        pieces = list(pool.map(lambda _: random_bytes(12), range(5_000)))
    assert {len(piece) for piece in pieces} == {12}
    assert len(set(pieces)) == len(pieces)


def test_any_number_of_bytes_can_be_had():
    assert [len(random_bytes(count)) for count in (1, AT_ONCE, AT_ONCE + 1, 3)] == [
        1,
        AT_ONCE,
        AT_ONCE + 1,
        3,
    ]


def test_a_process_that_was_forked_off_gives_out_others():
    script = (
        "import os; from gate.entropy import random_bytes; random_bytes(1); child = os.fork();"
        "child and os.waitpid(child, 0); print(random_bytes(16).hex(), flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    one, other = done.stdout.split()
    assert one != other

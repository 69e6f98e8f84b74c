"""The `gate` command on a machine whose clock is wrong by SKEW_SEC seconds; run with `-m`, for the fault campaign only.

The gate itself has no such switch: here its own modules are given another `datetime` before it starts.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, tzinfo

import gate.clock
import gate.workers.ticker
from gate.cli.main import main

_WRONG_BY = timedelta(seconds=float(os.environ.pop("SKEW_SEC", "0")))


class _Wrong(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + _WRONG_BY


if __name__ == "__main__":
    gate.clock.datetime = _Wrong
    gate.workers.ticker.datetime = _Wrong
    main()

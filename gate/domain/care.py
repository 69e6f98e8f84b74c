"""What a policy set says about reviewers' time and attention; who is asked because of it is told elsewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Care:
    """The set's `fatigue_controls` and `approval_queue_policy`, with what holds where they are silent.

    `rebalance`: ask as many people as are needed, the least loaded first, and others in place of those who need a
    break. `max_open`: requests that wait for one person before the next is asked. `cooldown_after` approvals without a
    break of `cooldown_sec` make a break of that length. `second_review_rate` (0 to 1): the share of requests one
    person could decide that a second one looks at, blind. `digest_above`: requests of one agent in one channel
    within a minute, after which the others share a card. The targets are seconds from the submit to the decision.
    """

    rebalance: bool = False
    max_open: int | None = None
    cooldown_after: int | None = None
    cooldown_sec: int = 1_800
    second_review_rate: float = 0.0
    join_duplicates: bool = True
    digest_above: int = 12
    target_median_wait_sec: int | None = None
    target_p95_wait_sec: int | None = None


SILENT = Care()
"""What holds where a set says nothing about it."""

"""Ask policy what it would say about a proposal, with the whole trace; nothing is stored."""

from __future__ import annotations

from gate.contract.canonical import payload_sha256
from gate.domain.action import Agent, Proposal, Subject
from gate.policy.explain import Explanation, explain
from gate.usecases.judging import history
from gate.usecases.ports import Deps


async def evaluate(deps: Deps, agent: Agent, proposal: Proposal) -> Explanation:
    """Verdict and trace under the policy in force, on the history as it is now."""
    rules = deps.rules.current
    now = deps.clock.now()
    async with deps.store.reading() as tx:
        past = await history(tx, rules, agent, proposal, payload_sha256(proposal.payload), now)
    return explain(rules.policy, Subject(proposal=proposal, agent=agent, history=past), now)

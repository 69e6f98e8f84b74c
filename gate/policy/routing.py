"""The routing table: which group is asked where a rule names nobody; what the group then does is the plan's.

A key is a kind of action, `<word>_actions`, or `default`; the value is a group of people.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gate.domain.people import APPROVERS, Directory
from gate.domain.verdict import Effective
from gate.policy.documents import Problem, did_you_mean
from gate.policy.parse import Parsed
from gate.policy.source import Path

_SYNONYMS: Mapping[str, frozenset[str]] = {
    "security_actions": frozenset({"security", "secrets", "access", "iam", "permissions"}),
    "financial_actions": frozenset({"financial", "finance", "payment", "refund", "money"}),
}


Router = Callable[[Effective], str]


def router(table: Mapping[str, str]) -> Router:
    """The group of the routing table for an action; `approvers` where the table has nothing for it.

    A key `<word>_actions` takes actions tagged `<word>` (security and financial know synonyms). Where several
    fit: security first, then financial, then the others in the order of the table. An amount over zero without
    such a tag is financial. Then `default`.
    """
    order = sorted(table, key=lambda key: {"security_actions": 0, "financial_actions": 1}.get(key, 2))
    tagged = tuple(
        (_SYNONYMS.get(key, frozenset[str]()) | {key.removesuffix("_actions")}, table[key])
        for key in order
        if key.endswith("_actions")
    )
    money, otherwise = table.get("financial_actions"), table.get("default", APPROVERS)

    def route(e: Effective) -> str:
        if e.risk_tags:
            for words, group in tagged:
                if not words.isdisjoint(e.risk_tags):
                    return group
        return money if money is not None and e.amount_usd is not None and e.amount_usd > 0 else otherwise

    return route


def shared_table(parsed: list[Parsed], directory: Directory, problems: list[Problem]) -> dict[str, str]:
    """The tables of documents without a scope, which serve every document; unknown groups are reported for all."""
    table: dict[str, str] = {}
    for each in parsed:
        for key, group in (each.text.routing or {}).items():
            path: Path = ("routing", key)
            if group not in directory.groups:
                hint = did_you_mean(group, directory.groups)
                problems.append(each.problem(path, f"routing.{key}: unknown group '{group}'{hint}"))
            if each.text.scope is None and table.setdefault(key, group) != group:
                message = f"routing.{key}: another document routes this to '{table[key]}'"
                problems.append(each.problem(path, message))
    return table

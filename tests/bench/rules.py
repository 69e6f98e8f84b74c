"""A policy set of any size, as a company would grow it."""

from __future__ import annotations


def rules_text(count: int) -> str:
    """A set as a company would grow it: areas with verbs, tags, thresholds; four rules that look at every action."""
    lines = [
        "version: v1",
        "rules:",
        "- {id: odd, match: {anomaly_score_above: 0.8, on_missing: skip}, decision: require_approval}",
        "- {id: retries, match: {retry_count_above: 2}, decision: require_approval}",
        "- {id: prod-delete, match: {risk_tags_all: [prod, delete]}, decision: deny}",
        "- {id: broad, match: {affected_users_above: 1000, on_missing: skip}, decision: require_approval}",
    ]
    kinds = (
        "match: {{topics: [job.area{n}.write], risk_tags: [prod]}}, decision: require_approval",
        "match: {{topics: [job.area{n}.refund], amount_usd_above: 100}}, decision: require_approval",
        'match: {{topics: ["job.area{n}.*"], confidence_below: 0.5, on_missing: skip}}, decision: require_approval',
        'match: {{topics: ["job.area{n}.*"]}}, decision: allow',
    )
    for number in range(count - 4):
        area, kind = divmod(number, len(kinds))
        lines.append(f"- {{id: r{number}, {kinds[kind].format(n=area)}}}")
    return "\n".join(lines)

"""The process's metrics and their registry; counting is for whoever sees the event, serving is the HTTP side's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENESS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)
_DECIDING = (2, 5, 10, 20, 40, 60, 120, 300, 900, 1800, 3600, 14400, 86400)


class Metrics:
    """What the workers count, on one registry that others add to. No label ever holds an id, name or address."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self.deadlines = Counter(
            "signoff_deadlines_fired", "Deadlines acted on, by result.", ["result"], registry=self.registry
        )
        self.deadline_lateness = Histogram(
            "signoff_deadline_lateness_seconds",
            "How late deadlines were acted on.",
            buckets=_LATENESS,
            registry=self.registry,
        )
        self.nobody_reached = Counter(
            "signoff_ladder_nobody_reached",
            "Ladder steps that found nobody to call; the approvers were asked instead.",
            registry=self.registry,
        )
        self.deliveries = Counter(
            "signoff_outbox_attempts",
            "Attempts to deliver, by channel and result.",
            ["channel", "result"],
            registry=self.registry,
        )
        self.delivery_lateness = Histogram(
            "signoff_outbox_lateness_seconds",
            "From a message's commit to its delivery, by channel.",
            ["channel"],
            buckets=_LATENESS,
            registry=self.registry,
        )
        self.outbox_waiting = Gauge(
            "signoff_outbox_waiting", "Messages waiting to leave.", registry=self.registry
        )
        self.outbox_dead = Gauge("signoff_outbox_dead", "Dead letters.", registry=self.registry)
        self.policy_loads = Counter(
            "signoff_policy_loads",
            "Policy sets taken into force or refused.",
            ["result"],
            registry=self.registry,
        )
        self.ladder_misses = Counter(
            "signoff_ladder_targets_unreached",
            "Targets of ladder steps that led to nobody, or only to a stand-in, by reason.",
            ["why"],
            registry=self.registry,
        )
        self.directory_reads = Counter(
            "signoff_directory_reads",
            "Attempts to read user groups and on-call schedules, by kind and result.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.decision_seconds = Histogram(
            "signoff_decision_seconds",
            "From a version's creation to a person's vote on it, by risk and choice.",
            ["risk", "choice"],
            buckets=_DECIDING,
            registry=self.registry,
        )
        self.open_requests = Gauge(
            "signoff_open_requests",
            "Requests that wait for people, by risk.",
            ["risk"],
            registry=self.registry,
        )
        self.rubber_stamps = Gauge(
            "signoff_rubber_stamping_reviewers",
            "Reviewers who let nearly everything through faster than a card is read, of the last 30 days.",
            registry=self.registry,
        )
        self.joined = Counter(
            "signoff_requests_joined", "Equal proposals that joined a waiting one.", registry=self.registry
        )
        self.emergencies = Counter(
            "signoff_emergency_releases", "Requests released by breaking the glass.", registry=self.registry
        )
        self.decisions_recorded = Counter(
            "signoff_decisions_recorded",
            "Decisions by policy and people, by whether their record has all that the evidence contract asks for.",
            ["complete"],
            registry=self.registry,
        )
        self.record_size = Gauge(
            "signoff_record_size",
            "Audit records under the last checkpoint signed here.",
            registry=self.registry,
        )
        self.replica_news = Gauge(
            "signoff_replica_news_heard",
            "1 while news of other replicas wakes waits at once, 0 while every wait looks each second.",
            registry=self.registry,
        )
        self.published = Counter(
            "signoff_checkpoints_published",
            "Attempts to bring a checkpoint to a place outside, by kind of place and result.",
            ["place", "result"],
            registry=self.registry,
        )
        self.published_size = Gauge(
            "signoff_checkpoint_published_size",
            "Audit records under the last checkpoint published from here, by kind of place.",
            ["place"],
            registry=self.registry,
        )
        self.clock_step = Gauge(
            "signoff_clock_step_seconds",
            "How far the machine's clock stepped away from the gate's.",
            registry=self.registry,
        )

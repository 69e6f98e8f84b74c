"""What only benchmarks need."""

from tests.bench.contenders import durable_postgres

__all__ = ("durable_postgres",)

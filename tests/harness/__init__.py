"""Real things that tests run against: processes, a PostgreSQL server, a browser."""

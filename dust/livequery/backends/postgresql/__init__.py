"""Django's PostgreSQL backend, noticing."""

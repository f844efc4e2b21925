"""Django's SQLite backend, noticing."""

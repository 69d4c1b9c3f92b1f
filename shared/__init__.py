"""The ground floor: what all workers agree on. Settings, tables, events, contracts; no Celery, no algorithm."""

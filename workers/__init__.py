"""The workers: one room a worker, each with thin Celery tasks beside a core that knows neither database nor clock."""

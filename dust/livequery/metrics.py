"""What an operator can see of the engine at ``/metrics``; names begin with ``dust_livequery_``."""

from prometheus_client import Counter, Gauge, Histogram

cycle_seconds = Histogram(
    "dust_livequery_cycle_seconds",
    "Duration of a refresh cycle, from taking its snapshot to handing over its news.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
reruns = Counter("dust_livequery_reruns", "Executions of live queries.")
needless_reruns = Counter(
    "dust_livequery_needless_reruns", "Executions of live queries that found the result unchanged."
)
write_retries = Counter("dust_livequery_write_retries", "Writes tried again after a conflict.")
outbox_skips = Counter(
    "dust_livequery_outbox_skips", "Intermediate results a socket never got, because it was behind."
)
sockets_closed_slow = Counter(
    "dust_livequery_sockets_closed_slow", "Sockets closed because they stayed behind."
)
dropped_hints = Counter(
    "dust_livequery_dropped_hints",
    "Commits that other processes were not told of over the channel layer.",
)
catch_ups = Counter(
    "dust_livequery_catch_ups",
    "Times this process suspected that it had not been told of every commit.",
)
live_queries = Gauge(
    "dust_livequery_live_queries", "Shared results kept fresh.", multiprocess_mode="livesum"
)
clients = Gauge(
    "dust_livequery_clients", "Sockets with subscriptions.", multiprocess_mode="livesum"
)
jobs = Counter("dust_livequery_jobs", "Jobs that this process has run to an end.", ["outcome"])
job_lag_seconds = Histogram(
    "dust_livequery_job_lag_seconds",
    "How long after its time a job began.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0),
)

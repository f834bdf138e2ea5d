"""What tells the two backends apart: how many requests a second the snapshot-controller may make."""

import time

from tests.cluster.cluster import Cluster

AT_ONCE = 8
# Each snapshot takes several requests; at 5 a second, after 10 for nothing, 8 cannot be ready sooner.
SOONEST_SECONDS = 5.0


def burst_seconds(cluster: Cluster) -> float:
    """From the first create to the last of several snapshots of one small volume being ready."""
    cluster.create_claim("source")
    cluster.wait_bound("source")
    time.sleep(2)  # the token buckets fill
    begun = time.monotonic()
    for number in range(AT_ONCE):
        cluster.create_snapshot(f"cut-{number}", "source")
    for number in range(AT_ONCE):
        cluster.wait_ready(f"cut-{number}")
    return time.monotonic() - begun


def test_client_limits_make_backend_a_the_slow_one(cluster: Cluster, slow_cluster: Cluster) -> None:
    slow, fast = burst_seconds(slow_cluster), burst_seconds(cluster)
    print(f"{AT_ONCE} snapshots at once: {slow:.2f} s on a, {fast:.2f} s on b")
    assert slow > SOONEST_SECONDS
    assert fast < slow

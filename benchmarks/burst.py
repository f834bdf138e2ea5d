"""A burst of operations as a scenario: every volume a group and a service of its own.

    python -m benchmarks.burst 24 20MB > burst.yaml
    rpo-sim simulate burst.yaml --profile profile.json \\
        --bind burst.operation=restore.bound,backend=BACKEND,extrapolate=linear
"""

import sys

_TEXT = """\
# {n} operations at once on one backend; `tokens: measured` takes limits, tokens and queue from the profile.
# Written by: python -m benchmarks.burst {n} {size}
version: 1
scenario: burst
summary: {n} volumes of {size} at once on the same backend; nothing else takes time.

locations:
  primary: {{site: a, cluster: one, backend: storage}}

estate:
  groups: # each a service of its own, so that each has an RTA of its own
{groups}

failure: {{scope: object}}

copies:
  - name: snapshot
    kind: snapshot
    every: 1h
    duration: {{assumed: 1s}}
    location: primary
    retention: {{count: 2}}

platforms:
  kubernetes:
    recovery:
      path: [{{copy: snapshot, method: clone}}]
      stages:
        - stage: data
          bytes: used
          duration: {{measured: burst.operation}}
          tokens: measured

bind: # so many at once may lie beyond twice what was measured: then the result counts as extrapolated
  burst.operation: {{operation: {operation}, stage: {stage}, extrapolate: linear}}
"""


def burst_text(n: int, size: str, operation: str = "restore", stage: str = "bound") -> str:
    """The scenario file of ``n`` operations on volumes of ``size``."""
    groups = "\n".join(
        f"    - {{name: volume-{i}, tier: volumes, disks: [{{capacity: 1GB, used: {size}}}]}}"
        for i in range(n)
    )
    return _TEXT.format(n=n, size=size, groups=groups, operation=operation, stage=stage)


if __name__ == "__main__":
    sys.stdout.write(burst_text(int(sys.argv[1]), sys.argv[2]))

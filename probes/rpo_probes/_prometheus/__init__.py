"""The only part of rpo-sim that talks to Prometheus: the client library stays behind it.

It is imported by the first connection, not before: listing the probes stays fast.
"""

"""Protection: which recovery points exist at the failure, by schedules, overlap, retention and what survives.

Time is measured from a common midnight, 0; schedules have run for ever. The failure strikes uniformly over
`CYCLE` of the longest period, those of calendar retention among them, so at any day of a week that is kept.
Each copy's history starts at a multiple of `CYCLE` of its own periods, at least `WARM_UP` periods (plus the
age of a corruption, and a lag or runs that are as long) earlier: patterns of skipped or queued runs that
repeat within twelve periods are thereby seen at every phase. For others it starts at a random one before.

From the draws come `attempts`, due runs before the overlap policy; of these a recursion makes `points` where
nobody waits, `transfers` do where a link says how long each takes, and an engine does where copies compete.
`histories` puts levels together, which is what others ask for.
"""

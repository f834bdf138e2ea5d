"""The states of a job: where the SimPy engine's processes yield, and the joints between."""

(
    WORKED,  # a stage, with its slots, tokens, work and retries
    MOVED,
    STAGE,
    POOL_HAD,
    TOKENS_HAD,
    RETRY,
    STAGE_DONE,
    JOB_SLOT_HAD,  # a VM along its path
    PROGRAM,
    DISKS_DONE,
    ATTEMPT_DONE,
    JOB_SLOT,
    NEEDS,
    NEEDS_MET,
    PATH,
    BACK,
    BACK_MET,
    REPAIR,  # between a failure and the next try
    REPAIRER_HAD,
    REPAIRED,
    TURN,  # waits for its wave, its group's turn, its VMs, all applications
    FOR_ALL,  # what is done once for many
    FOR_ALL_DONE,
    SEQUENCE,
    AFTER_TURN,  # what follows the recovery
    AFTER_TURN_HAD,
    AFTER,
    DETECT,
    DETECTED,
    DECLARED,
    WAVE_SAFE,
    ENDED,
) = range(32)
LAST_IN_STAGE, LAST_ON_PATH, LAST_OF_REPAIR = RETRY, BACK_MET, REPAIRED

RESTS = -1  # a job has to wait; its state says where it goes on

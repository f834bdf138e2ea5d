"""What can go wrong with the lab, said in a sentence with a remedy."""


class LabError(Exception):
    """The lab cannot be built, started or driven; the message says why and what to do."""

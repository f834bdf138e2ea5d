"""The parts of the probe `volume_snapshot`: one file per mode, and what the modes share."""

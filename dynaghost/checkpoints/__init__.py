"""Files → ordered checkpoints with metrics → systems."""

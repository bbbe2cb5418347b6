"""The fixed points and ghosts of one system."""

"""The paper's tasks, networks and trainers."""

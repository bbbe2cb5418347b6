"""Slow points along training: branches, events, graph, loss drops and verdicts."""

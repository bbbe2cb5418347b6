"""Grids of trainings as one call, a row a run, kept in a store from which an interrupted sweep goes on."""

from dynaghost.sweep.grid import Grid, Point
from dynaghost.sweep.run import sweep
from dynaghost.sweep.table import Row, Sweep, load_sweep

__all__ = ["Grid", "Point", "Row", "Sweep", "load_sweep", "sweep"]

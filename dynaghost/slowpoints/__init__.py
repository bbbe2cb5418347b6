"""The fixed points and ghosts of one system."""

from dynaghost.slowpoints.find import find_slow_points
from dynaghost.slowpoints.records import Certificate, FixedPoint, Ghost, SlowPoints

__all__ = ["Certificate", "FixedPoint", "Ghost", "SlowPoints", "find_slow_points"]

"""dynaghost: did a recurrent network learn through a bifurcation or through a ghost?

>>> import dynaghost as dg
>>> dg.find_slow_points(dg.SaddleNode(0.01)).ghosts[0].speed
0.01
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dynaghost.version import VERSION

__version__ = VERSION

# Name → module, loaded at first use: `import dynaghost` stays light.
_HOMES = {
    "Analysis": "analysis",
    "analyze": "analysis",
    "analyze_periods": "analysis",
    "load_analysis": "analysis",
    "analyze_collection": "collection",
    "merge": "collection",
    "Collection": "collection",
    "load_collection": "collection",
    "load_run": "checkpoints.run",
    "Run": "checkpoints.run",
    "as_system": "checkpoints.recognize",
    "find_slow_points": "slowpoints.find",
    "FixedPoint": "slowpoints.records",
    "Ghost": "slowpoints.records",
    "SlowPoints": "slowpoints.records",
    "Certificate": "slowpoints.records",
    "GRU": "systems.gated",
    "LSTM": "systems.gated",
    "LeakyRNN": "systems.recurrent",
    "LowRankRNN": "systems.low_rank",
    "RankOneRNN": "systems.low_rank",
    "SaddleNode": "systems.toy",
    "Trials": "systems.trials",
    "System": "systems.base",
    "ScalarSystem": "systems.base",
    "Trial": "trajectories.trial",
    "DropRule": "trajectories.drops",
    "Monitor": "monitor.recorder",
    "Event": "trajectories.events",
    "Verdict": "trajectories.verdict",
    "explaining": "trajectories.queries",
    "life_of": "trajectories.queries",
    "ghosts_from": "trajectories.queries",
    "events_between": "trajectories.queries",
    "chance": "trajectories.chance",
    "compare": "trajectories.compare",
    "read_graph": "trajectories.graph",
    "DynaghostError": "errors",
    "CheckpointError": "errors",
    "StoreError": "errors",
}
_MODULES = {"plot": "views.plot"}

if TYPE_CHECKING:
    from dynaghost.analysis import Analysis as Analysis
    from dynaghost.analysis import analyze as analyze
    from dynaghost.analysis import analyze_periods as analyze_periods
    from dynaghost.analysis import load_analysis as load_analysis
    from dynaghost.checkpoints.recognize import as_system as as_system
    from dynaghost.checkpoints.run import Run as Run
    from dynaghost.checkpoints.run import load_run as load_run
    from dynaghost.collection import Collection as Collection
    from dynaghost.collection import analyze_collection as analyze_collection
    from dynaghost.collection import load_collection as load_collection
    from dynaghost.collection import merge as merge
    from dynaghost.errors import CheckpointError as CheckpointError
    from dynaghost.errors import DynaghostError as DynaghostError
    from dynaghost.errors import StoreError as StoreError
    from dynaghost.monitor.recorder import Monitor as Monitor
    from dynaghost.slowpoints.find import find_slow_points as find_slow_points
    from dynaghost.slowpoints.records import Certificate as Certificate
    from dynaghost.slowpoints.records import FixedPoint as FixedPoint
    from dynaghost.slowpoints.records import Ghost as Ghost
    from dynaghost.slowpoints.records import SlowPoints as SlowPoints
    from dynaghost.systems.base import ScalarSystem as ScalarSystem
    from dynaghost.systems.base import System as System
    from dynaghost.systems.gated import GRU as GRU
    from dynaghost.systems.gated import LSTM as LSTM
    from dynaghost.systems.low_rank import LowRankRNN as LowRankRNN
    from dynaghost.systems.low_rank import RankOneRNN as RankOneRNN
    from dynaghost.systems.recurrent import LeakyRNN as LeakyRNN
    from dynaghost.systems.toy import SaddleNode as SaddleNode
    from dynaghost.systems.trials import Trials as Trials
    from dynaghost.trajectories.chance import chance as chance
    from dynaghost.trajectories.compare import compare as compare
    from dynaghost.trajectories.drops import DropRule as DropRule
    from dynaghost.trajectories.events import Event as Event
    from dynaghost.trajectories.graph import read_graph as read_graph
    from dynaghost.trajectories.queries import events_between as events_between
    from dynaghost.trajectories.queries import explaining as explaining
    from dynaghost.trajectories.queries import ghosts_from as ghosts_from
    from dynaghost.trajectories.queries import life_of as life_of
    from dynaghost.trajectories.trial import Trial as Trial
    from dynaghost.trajectories.verdict import Verdict as Verdict
    from dynaghost.views import plot as plot

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"dynaghost.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(import_module(f"dynaghost.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'dynaghost' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

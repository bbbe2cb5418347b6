"""What is analyzed: a vector field with derivatives, bounds and a metric."""

from dynaghost.systems.activation import Activation
from dynaghost.systems.base import ScalarSystem, System, Time
from dynaghost.systems.functions import CallableSystem
from dynaghost.systems.gated import GRU, LSTM, ResetFirstGRU
from dynaghost.systems.low_rank import Form, LatentCircuit, LowRankRNN, RankOneCircuit, RankOneRNN
from dynaghost.systems.module import ModuleSystem
from dynaghost.systems.recurrent import LeakyRNN
from dynaghost.systems.toy import SaddleNode, critical_rate, optimal_r

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "CallableSystem",
    "Form",
    "LatentCircuit",
    "LeakyRNN",
    "LowRankRNN",
    "ModuleSystem",
    "RankOneCircuit",
    "RankOneRNN",
    "ResetFirstGRU",
    "SaddleNode",
    "ScalarSystem",
    "System",
    "Time",
    "critical_rate",
    "optimal_r",
]

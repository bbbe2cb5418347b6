"""Analysis during somebody's own training loop: weights are copied and analyzed in another process.

`Monitor` serves plain torch; `lightning_callback` and `hugging_face_callback` call it where a trainer owns the loop.
"""

from dynaghost.monitor.hugging_face import hugging_face_callback
from dynaghost.monitor.lightning import lightning_callback
from dynaghost.monitor.recorder import Monitor
from dynaghost.monitor.watch import Failure, Observation

__all__ = ["Failure", "Monitor", "Observation", "hugging_face_callback", "lightning_callback"]

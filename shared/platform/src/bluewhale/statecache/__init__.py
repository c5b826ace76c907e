"""What copies of a role share and may lose: counts, cached answers, live events.

`RedisStateCache` is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING

from bluewhale.statecache.memory import MemoryStateCache
from bluewhale.statecache.port import Event, StateCache, Subscription

if TYPE_CHECKING:
    from bluewhale.statecache.redis import RedisStateCache

__all__ = ["Event", "MemoryStateCache", "RedisStateCache", "StateCache", "Subscription"]


def __getattr__(name: str) -> object:
    if name == "RedisStateCache":
        from bluewhale.statecache.redis import RedisStateCache

        return RedisStateCache
    raise AttributeError(f"module {__name__} has no attribute {name}")

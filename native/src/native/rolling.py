"""An upgrade natively: each replica in turn leaves, and comes back on what is in the checkout."""

from collections.abc import Callable

from native.backing import Backing
from native.fleet import GATEWAY
from native.pools import Pools


async def roll(backing: Backing, pools: Pools, say: Callable[[str], None]) -> int:
    """Bring the schema up to date, then replace replica by replica; give how many."""
    await backing.migrate(say)
    gateways = [name for name in pools.services if name == GATEWAY]
    replaced = 0
    # The gateways last: what they ask for, the pools know by then.
    for names in ([name for name in pools.services if name not in gateways], gateways):
        counts = {name: pools.count(name) for name in names}
        await pools.scale({name: count + 1 for name, count in counts.items()}, say)
        for number in range(1, max(counts.values(), default=0) + 1):
            turn = [name for name, count in counts.items() if count >= number]
            await pools.renew(turn, number, say)
            replaced += len(turn)
        await pools.scale(counts, say)
    return replaced

"""What keeps the invariants, each of which the harness can take away to show what it is for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Safeguards:
    """All on is how the fleet runs; one off is a world in which an invariant must break."""

    fencing: bool = True  # a settlement needs the lease's token
    leases: bool = True  # a lease lasts as long as it says
    look: bool = True  # what may have arrived is looked at before it is sent again
    guard: bool = True  # finish, cancel and bet-stop look first where the leg is in doubt
    order: bool = True  # a leg's deliveries wait for those before them
    one_in_flight: bool = True  # one command at a time per target
    deadline: bool = True  # a start is not begun after its deadline
    one_result: bool = True  # a round takes one result
    one_handover: bool = True  # the network gives a lease to one replica once
    no_stragglers: bool = True  # a call without a round id takes effect before the next, or never
    wakes: bool = True  # a replica's courier is woken at the time of a bet-stop
    unsent: bool = True  # a cancel does not seek a round whose start was never sent
    prompt: bool = True  # settlements are written before their leases run out
    known: bool = True  # the round before a start is the last one when it is sent
    walls: bool = True  # an environment's faults stay in it


ALL = Safeguards()

"""The bodies of Table API calls: what the ledger keeps of a command, in the words of the wire."""

from collections.abc import Mapping

from ledger.domain.deliveries import Lease


def build(operation: str, lease: Lease) -> Mapping[str, object]:
    """Build the body; the ids in it are the delivery's own, so that it is the same each time."""
    if operation == "deal":
        return {"roundId": lease.external_round_id, **lease.body}
    if operation == "broadcast":
        return {"msgId": lease.id, **lease.body}
    # The other commands of a round name nothing, not even their round.
    return lease.body if lease.kind.of_table else {}

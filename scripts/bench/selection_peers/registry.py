"""The peers by name."""

from collections.abc import Mapping

from scripts.bench.selection_peers.most_likely_positive import most_likely_positive
from scripts.bench.selection_peers.peer import Peer, as_strategy
from workers.selection.strategies import STRATEGIES

PEERS: Mapping[str, Peer] = {
    "most-likely-positive": Peer(
        most_likely_positive, "Warmuth et al. 2003, Active Learning with Support Vector Machines in the Drug Discovery"
    ),
}


def join_peers() -> None:
    """Let this process's rounds find the peers where they find the product's strategies."""
    STRATEGIES.update({name: as_strategy(peer) for name, peer in PEERS.items()})

"""The peers by name."""

from collections.abc import Mapping

from scripts.bench.selection_peers.anchoral import anchoral
from scripts.bench.selection_peers.badge import badge
from scripts.bench.selection_peers.cluster_margin import cluster_margin
from scripts.bench.selection_peers.coreset import coreset
from scripts.bench.selection_peers.direct import direct
from scripts.bench.selection_peers.kmeans_margin import kmeans_margin
from scripts.bench.selection_peers.most_likely_positive import most_likely_positive
from scripts.bench.selection_peers.peer import Peer, as_strategy
from scripts.bench.selection_peers.seals import seals
from scripts.bench.selection_peers.typiclust import typiclust
from workers.selection.strategies import STRATEGIES

PEERS: Mapping[str, Peer] = {
    "most-likely-positive": Peer(most_likely_positive),
    "kmeans-margin": Peer(kmeans_margin),
    "coreset": Peer(coreset),
    "badge": Peer(badge),
    "typiclust": Peer(typiclust, needs_model=False),
    "anchoral": Peer(anchoral),
    "seals": Peer(seals),
    "cluster-margin": Peer(cluster_margin),
    "direct": Peer(direct),
}


def join_peers() -> None:
    """Let this process's rounds find the peers where they find the product's strategies."""
    STRATEGIES.update({name: as_strategy(peer) for name, peer in PEERS.items()})

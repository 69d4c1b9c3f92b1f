"""The peers by name, and the product without one channel."""

from collections.abc import Mapping

from scripts.bench.selection_peers.anchoral import anchoral
from scripts.bench.selection_peers.badge import badge
from scripts.bench.selection_peers.cluster_margin import cluster_margin
from scripts.bench.selection_peers.coreset import coreset
from scripts.bench.selection_peers.decision_margin import decision_margin
from scripts.bench.selection_peers.direct import direct
from scripts.bench.selection_peers.galaxy import galaxy
from scripts.bench.selection_peers.kmeans_margin import kmeans_margin
from scripts.bench.selection_peers.most_likely_positive import most_likely_positive
from scripts.bench.selection_peers.peer import Peer, as_strategy
from scripts.bench.selection_peers.seals import seals
from scripts.bench.selection_peers.typiclust import typiclust
from workers.selection.strategies import STRATEGIES, UNAUDITED, YARDSTICKS, Strategy, quietcorner, without

PEERS: Mapping[str, Peer] = {
    "decision-margin": Peer(decision_margin),
    "most-likely-positive": Peer(most_likely_positive),
    "kmeans-margin": Peer(kmeans_margin),
    "coreset": Peer(coreset),
    "badge": Peer(badge),
    "typiclust": Peer(typiclust, needs_model=False),
    "anchoral": Peer(anchoral),
    "seals": Peer(seals),
    "cluster-margin": Peer(cluster_margin),
    "direct": Peer(direct),
    "galaxy": Peer(galaxy),
}


# The product without one of its channels, which shows what that channel is worth. Rules are not among them: the labeled
# files come without any.
_WITHOUT_AUDIT = "quietcorner-without-audit"
LEFT_OUT: Mapping[str, Strategy] = {
    f"quietcorner-without-{channel}": without(channel) for channel in ("likely", "anchor", "coverage", "boundary")
} | {_WITHOUT_AUDIT: quietcorner}


def join_strategies() -> None:
    """Let this process's rounds find the bench's strategies where they find the product's."""
    STRATEGIES.update({name: as_strategy(peer) for name, peer in PEERS.items()})
    STRATEGIES.update(LEFT_OUT)
    YARDSTICKS.update(PEERS)
    UNAUDITED.update(PEERS, [_WITHOUT_AUDIT])

"""Made-up items in domains and intents, few and of few dimensions."""

import numpy as np

from scripts.bench.drift_loop.streams import Items


def pile(*, domains: int = 3, intents: int = 6, items: int = 150, dimension: int = 24, seed: int = 0) -> Items:
    """So many domains, each of so many intents, each of so many items."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(domains * intents), items)
    centres = rng.normal(size=(domains, dimension))[np.arange(domains * intents) // intents]
    centres += rng.normal(size=centres.shape)
    vectors = centres[of] + 0.8 * rng.normal(size=(len(of), dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Items(
        vectors=vectors.astype(np.float16),
        sources=np.array([f"domain {code // intents}" for code in of]),
        labels=np.array([f"intent {code}" for code in of]),
        texts=np.array([f"text {row}" for row in range(len(of))], dtype=object),
    )

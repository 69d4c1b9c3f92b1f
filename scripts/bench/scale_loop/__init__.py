"""`scripts/bench/scale`: what a round costs by the size of the pool."""

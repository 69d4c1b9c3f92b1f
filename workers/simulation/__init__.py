"""Simulation: replays a labeled file with the same core as the workers, so that a strategy can be judged beforehand."""

"""`scripts/bench/workers`: work that several workers share."""

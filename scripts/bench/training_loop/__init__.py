"""What makes and compares trained models for `scripts/bench/training`."""

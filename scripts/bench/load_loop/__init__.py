"""The load bench: simulated annotators against a whole Quiet Corner on this machine."""

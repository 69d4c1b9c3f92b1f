"""Whether reported figures are true: simulated campaigns on labeled files, where the truth is known."""

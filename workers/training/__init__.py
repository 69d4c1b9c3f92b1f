"""Training: the light classifier, splits, the audit sample and honest metrics."""

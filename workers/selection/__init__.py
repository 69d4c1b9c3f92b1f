"""Selection: scoring, channels, clustering, caps and quotas, and the round that joins them."""

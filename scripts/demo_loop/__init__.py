"""The demo: the whole loop on made-up tickets with simulated annotators, through the public commands."""

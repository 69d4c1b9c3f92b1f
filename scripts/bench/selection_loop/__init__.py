"""Which strategy chooses best: replays of labeled files, their measures, and the report that compares them."""

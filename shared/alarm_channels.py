"""Channels of drift alarms that labels raise, wherever they are spoken of."""

PERFORMANCE = "performance"
"""The model loses more on fresh audit labels than at the reference."""
LABELS = "labels"
"""The answers of an annotator, or about a source, are of another class mix."""

"""Dispatch: the annotation queue over Redis Streams, and its leases."""

"""Queries: one module a kind of thing. They read and write rows in the caller's transaction and never commit."""

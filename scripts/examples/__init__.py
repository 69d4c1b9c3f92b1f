"""Runnable examples of labeling plans: what was planned, and what came of it when the plan was followed."""

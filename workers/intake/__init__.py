"""Intake: items and submissions, checked and stored; duplicates and seeding rules."""

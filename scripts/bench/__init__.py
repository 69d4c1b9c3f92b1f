"""Measurements that anyone can run; each prints the machine, the date and its own command."""

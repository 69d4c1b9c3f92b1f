"""Made-up support tickets with a rare, many-sided class: what the demo labels."""

from scripts.tickets.generator import Ticket, tickets

__all__ = ["Ticket", "tickets"]

"""Reporting: how a project stands, as figures, as a page and as files. It reads the database and changes nothing."""

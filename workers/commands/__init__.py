"""The commands of `quietcorner`, one module a command or a family of commands."""

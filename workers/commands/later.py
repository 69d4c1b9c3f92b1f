"""Commands that are imported when they are called: the list of all commands needs none of what they stand on."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class LaterCommand(TyperCommand):
    """A command by its name and one line of help; the rest is imported when its own help or its work is asked for."""

    def __init__(self, name: str, *, place: str, summary: str, example: str) -> None:
        """Note where the command is.

        Args:
            name: What a person types.
            place: `module:attribute`, a function or a Typer application with commands of its own.
            summary: The first paragraph of its help.
            example: One use of it, shown at the end of its help; empty where its own commands have theirs.
        """
        super().__init__(name, help=summary)
        self._place = place
        self._epilog = f"Example: [bold]{example}[/bold]" if example else None

    def load(self) -> Any:
        """The command itself."""
        module, _, attribute = self._place.partition(":")
        target = getattr(import_module(module), attribute)
        if isinstance(target, typer.Typer):
            return typer.main.get_command(target)
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(self.name, epilog=self._epilog)(target)
        return typer.main.get_command(alone)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Hand over to the command itself."""
        return self.load().make_context(*arguments, **options)

"""How a bench that can go on later comes to its end."""

from collections.abc import Callable

from rich.console import Console

from shared.errors import QuietCornerError


def ended(run: Callable[[], int], console: Console) -> int:
    """The exit code of a run, of an error told in words, or of an interruption, by which nothing is lost."""
    try:
        return run()
    except QuietCornerError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt:
        console.print("Stopped. What is done is kept: the same command goes on.")
        return 130

"""One running Quiet Corner for all tests of the live loop; each test has a project of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from tests.live import Place, make_place, up


@dataclass(frozen=True)
class Running:
    """A place and its `quietcorner up`."""

    place: Place
    process: psutil.Process


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`quietcorner up`, ready."""
    place = make_place(tmp_path_factory.mktemp("live"))
    with up(place) as process:
        yield Running(place, process)

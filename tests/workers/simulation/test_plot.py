from itertools import count
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from shared.errors import InvalidInputError
from tests.workers.simulation.made_up import make_rows, prepare_rows
from workers.simulation.plot import plot_curve
from workers.simulation.replay import RoundReport, replay


def reports(rare: tuple[str, ...]) -> list[RoundReport]:
    data, config = prepare_rows(make_rows(60))
    ticks = count()
    return list(
        replay(
            data,
            config,
            strategy="random",
            encoder="words@1",
            init=10,
            rounds=3,
            rare=rare,
            clock=lambda: float(next(ticks)),
        )
    )


@pytest.mark.parametrize("rare", [("rare",), ()])
def test_the_curve_is_drawn_with_and_without_rare_classes(tmp_path: Path, rare: tuple[str, ...]) -> None:
    path = tmp_path / "curve.png"
    plot_curve(reports(rare), rare=rare, pool=45, title="pay$x_$.jsonl", path=path)
    picture = image.imread(path)
    assert picture.shape[0] > 300
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 3


def test_a_plot_that_can_not_be_written_is_an_error_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="--plot"):
        plot_curve(reports(("rare",)), rare=("rare",), pool=45, title="", path=tmp_path / "missing" / "curve.png")

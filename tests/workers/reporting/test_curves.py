import re

import pytest

from workers.reporting import curves, plots
from workers.reporting.confusions import Confusions
from workers.reporting.curves import Bin, CostCurve, Estimate, PrecisionRecall
from workers.reporting.drawing import short
from workers.reporting.measured import Measure
from workers.reporting.plots import Course

NASTY = "_fraud <b>$1$</b>\x1b[31m"
COSTS = CostCurve(NASTY, [0.0, 0.1, 0.5, 1.0], [0.4, 0.2, 0.6, 2.0], 0.3)
CURVE = PrecisionRecall(
    NASTY, [0.5, 1.0], [0.9, 0.2], Measure(0.6, 0.5, 0.7), (Measure(0.5), Measure(0.8)), (0.9, 0.5), 0.01
)
IMAGES = [
    curves.recalls([Estimate(NASTY, 0.5, 0.2, 0.8, sure=False)]),
    curves.precision_recall([CURVE, PrecisionRecall("b", [1.0], [0.1], None, None, (0.9, None), None)]),
    curves.reliability([Bin(0.2, 0.3, 0.1, 0.4, 1.0)], "ECE 0.1"),
    curves.reliability([Bin(0.0, 0.0, 0.0, 0.1, 0.5), Bin(0.01, 0.02, 0.0, 0.1, 0.5)], "ECE 0.1"),
    curves.confusion_matrix(Confusions([NASTY, "b"], [[0.1, 0.9], [0.0, 0.0]]), [NASTY, "b (0)"]),
    curves.cost_curves([COSTS, CostCurve("b", [0.0, 1.0], [0.0, 0.0], None)]),
    curves.prevalences(
        [(NASTY, {"whole pool": Measure(0.0, 0.0, 0.01), "mail": Measure(0.02)})], ["whole pool", "mail"]
    ),
    plots.learning_curve([Course("macro-F1", [10, 20], [Measure(0.2, 0.1, 0.3), Measure(0.3)])]),
    plots.labels_by_round([0, 1], {NASTY: [0, 3], "b": [2, 2]}),
    plots.channels_by_round({0: {"unasked": 3}, 1: {"audit": 2}}, ["audit", "unasked"]),
]


@pytest.mark.parametrize("image", IMAGES)
def test_every_plot_says_what_it_shows_and_needs_nothing_beside_itself(image: str) -> None:
    head = re.match(r'<svg role="img" aria-label="[^"<>]{20,}"', image)

    assert head
    assert "\x1b" not in image
    assert "<image" not in image
    assert "<b>" not in image


@pytest.mark.parametrize("image", [IMAGES[place] for place in (0, 1, 4, 5, 6)])
def test_plots_name_a_class_as_it_is_named(image: str) -> None:
    assert "fraud &lt;b&gt;" in image


def test_the_cost_of_the_decisions_lies_on_the_curve() -> None:
    assert COSTS.best == (0.1, 0.2)
    assert COSTS.operating_cost == pytest.approx(0.4)
    assert CostCurve("b", [0.0, 1.0], [0.1, 0.2], None).operating_cost is None


def test_what_a_plot_shows_is_told_to_who_can_not_see_it() -> None:
    assert "area 0.60, decisions at recall 0.50 and precision 0.80" in IMAGES[1]
    assert "Decided rightly: " in IMAGES[4]


def test_the_reliability_diagram_shows_probabilities_before_calibration_where_they_are_known() -> None:
    after, before = [Bin(0.2, 0.3, 0.1, 0.4, 1.0)], [Bin(0.7, 0.3, 0.1, 0.4, 1.0)]
    alone, both = (curves.reliability(after, "ECE 0.1", before=them) for them in ([], before))

    assert "before calibration" not in alone
    assert both.count("before calibration") == alone.count("measured") == 1


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert short("a name") == "a name"
    cut = short("the reason why a payment was refused, number 17", longest=20)

    assert len(cut) == 20
    assert cut.startswith("the reason")
    assert cut.endswith(" 17")

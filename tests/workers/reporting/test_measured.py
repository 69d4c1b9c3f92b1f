import pytest

from workers.reporting.measured import over_classes


@pytest.mark.parametrize(
    ("supports", "told"),
    [([5, 1, 9], ""), ([2, 0, 0], ", over the 1 of 3 classes that these items hold")],
)
def test_a_mean_over_some_of_the_classes_says_so(supports: list[int], told: str) -> None:
    metrics = {"per_class": {f"class {place}": {"support": support} for place, support in enumerate(supports)}}
    assert over_classes(metrics) == told

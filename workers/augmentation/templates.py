"""Whole-sentence templates: every slot is filled with one of its values. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.augmentation_options import SLOT


def fill(
    templates: Sequence[str], slots: Mapping[str, Sequence[str]], *, count: int, rng: np.random.Generator
) -> list[str]:
    """Sentences drawn at random, some of which may be equal.

    Args:
        templates: Sentences with slots, `{name}`; other braces stand for themselves.
        slots: What may stand in each slot that a template names.
        count: Sentences wanted.
        rng: Source of the draws.
    """
    return [
        SLOT.sub(lambda slot: str(rng.choice(np.array(slots[slot[1]], dtype=object))), templates[number])
        for number in rng.integers(len(templates), size=count).tolist()
    ]

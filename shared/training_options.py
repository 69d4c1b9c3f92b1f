"""The project file's sections on training: what is fitted, and what its decisions are to reach."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.section import Section, Share


class Training(Section):
    """How a model is fitted to labels that are few and uneven.

    Attributes:
        class_weights: How much an error on a class weighs beside its cost: `balanced` is inverse frequency, `effective`
            the inverse effective number of samples, `none` all alike.
        focal_gamma: Exponent of the focal loss; 0 is the plain log loss.
        label_smoothing: Share of each label that is spread over all classes.
        sampling: `oversample` repeats items of small classes, `undersample` averages `members` fits that each leave out
            a random part of the large ones.
        members: Fits that `undersample` averages.
        lexical: Whether models see which words a text holds, beside its vector.
        unlabeled: Whether models learn from items without a label too: from what lies around an item, and from what is
            likely of random items of the pool.
    """

    class_weights: Literal["balanced", "effective", "none"] = "balanced"
    focal_gamma: Annotated[float, Field(ge=0.0, le=5.0)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.0
    sampling: Literal["none", "oversample", "undersample"] = "none"
    members: Annotated[int, Field(ge=2, le=50)] = 5
    lexical: bool = True
    unlabeled: bool = True


class Goal(Section):
    """What the decisions for one class are to reach over the pool."""

    recall: Share | None = None
    precision: Share | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if self.recall is None and self.precision is None:
            raise ValueError("give recall = ..., precision = ... or both")
        return self

"""The project file's section on augmentation: texts made from labeled ones, for training only."""

from shared.section import Section


class Augmentation(Section):
    """Recipes by which texts are made, and how they are reviewed."""

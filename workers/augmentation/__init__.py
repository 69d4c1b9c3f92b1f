"""Augmentation: texts made from labeled ones by a project's recipes, for the training part only."""

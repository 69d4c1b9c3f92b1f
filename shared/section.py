"""What all sections of the project file have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
MOST_COSTLY = 1e6
"""How many times as much an error may cost: beyond, sums in single precision lose what costs 1."""
Cost = Annotated[float, Field(ge=0.0, le=MOST_COSTLY)]
PositiveCost = Annotated[float, Field(ge=1 / MOST_COSTLY, le=MOST_COSTLY)]


class Section(BaseModel):
    """A part of the project file: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

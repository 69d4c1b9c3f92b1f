"""The project file's section on the drift watch: what it compares, how often it may err, and what an alarm leads to."""

from typing import Annotated, Literal

from pydantic import Field

from shared.section import Section


class Drift(Section):
    """The drift watch.

    Attributes:
        mode: `auto` starts campaigns by itself, `ask` lets them wait for a person, `off` does not watch.
        reference_items: Items in the reference.
        window_items: Items in a window.
        window_hours: Hours in a window; where it is given, windows go by the items' timestamps and not by their number.
        false_alarms_per_1000_windows: False alarms that 1,000 windows may bring, of all statistics, sources and cells
            together. 1 by default: a window that is due every hour then raises nine a year, one that is due every day
            one in about three years.
        campaign_items: Most items of one campaign.
        campaigns_per_day: Campaigns that the watch may open by itself in 24 hours. 2 by default: one for what changed
            in the texts and one for what that does to the model; what changes more often than that needs a person.
        campaign_share: Part of a batch that campaigns may take at most. A half by default: the classes' own needs go
            on, and a campaign of as many items as a batch is served at once.
        labels_expire_days: Days after which a label is in doubt; never by default, as most labels don't grow old.
    """

    mode: Literal["auto", "ask", "off"] = "auto"
    reference_items: Annotated[int, Field(ge=200)] = 2_000
    window_items: Annotated[int, Field(ge=50)] = 500
    window_hours: Annotated[float, Field(gt=0.0, le=24 * 366, allow_inf_nan=False)] | None = None
    false_alarms_per_1000_windows: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    campaign_items: Annotated[int, Field(ge=1)] = 50
    campaigns_per_day: Annotated[int, Field(ge=0)] = 2
    campaign_share: Annotated[float, Field(gt=0.0, le=0.9)] = 0.5
    labels_expire_days: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None

"""Models as they are stored: arrays, and a JSON header with what they were tuned with. Pure, and no pickle."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.arrays import dump_arrays, load_arrays
from shared.training_options import Training
from workers.training.calibration import Calibration, untouched
from workers.training.classifier import LinearModel, Tuning


def dump(model: LinearModel, *, header: Mapping[str, Any]) -> bytes:
    """The model as safetensors: its arrays, and a JSON header with its classes beside what `header` adds."""
    tuning = model.tuning
    return dump_arrays(
        {
            "weights": model.weights,
            "bias": model.bias,
            "offsets": model.offsets,
            "prior": model.prior,
            **({} if model.savings is None else {"savings": model.savings}),
            "slope": tuning.calibration.slope,
            "shift": tuning.calibration.shift,
            "gain": tuning.gain,
            "trust": tuning.trust,
            **(
                {}
                if tuning.teacher is None
                else {"teacher_slope": tuning.teacher.slope, "teacher_shift": tuning.teacher.shift}
            ),
            **({} if tuning.aimed is None else {"aimed": tuning.aimed}),
        },
        {
            **header,
            "classes": model.classes,
            "exclusive": model.exclusive,
            "tuned_on": tuning.labels,
            "strength": tuning.strength,
            "tuned_with_augmented": tuning.augmented,
            "tuned_with": tuning.options.model_dump(),
            **({"aimed_at": dict(tuning.wanted)} if tuning.wanted else {}),
            **({"tuned_with_costs": dict(tuning.costs)} if tuning.costs else {}),
            **({} if tuning.augmented_weight is None else {"tuned_with_augmented_weight": tuning.augmented_weight}),
        },
    )


def load(blob: bytes) -> LinearModel:
    """Read what `dump` wrote; a model from before there was calibration is read as one that was never tuned."""
    arrays, header = load_arrays(blob)
    classes = tuple(header["classes"])
    nothing = np.zeros(len(classes))
    if "slope" not in arrays:
        tuning = Tuning(0, header.get("strength", 1.0), untouched(len(classes)), nothing, nothing)
    else:
        calibration = Calibration(arrays["slope"], arrays["shift"])
        tuning = Tuning(
            header["tuned_on"],
            header["strength"],
            calibration,
            arrays["gain"],
            arrays["trust"],
            header.get("tuned_with_augmented", 0),
            Training.model_validate(header.get("tuned_with", {})),
            Calibration(arrays["teacher_slope"], arrays["teacher_shift"]) if "teacher_slope" in arrays else None,
            header.get("aimed_at", {}),
            arrays.get("aimed"),
            header.get("tuned_with_costs", {}),
            header.get("tuned_with_augmented_weight"),
        )
    none = nothing.astype(np.float32)
    return LinearModel(
        classes,
        header["exclusive"],
        arrays["weights"],
        arrays["bias"],
        arrays.get("offsets", none),
        tuning,
        arrays.get("prior", none),
        arrays.get("savings"),
    )

"""A model that learns from another one what is likely of items, labeled or not.

The teacher sees items drawn to what lies around them (`workers.training.surroundings`), which makes more of few labels,
and for which every item to be scored would need its neighbours. The pupil sees items as they are, and is taught the
teacher's probabilities of random items of the pool and of the labeled ones (Hinton, Vinyals and Dean, "Distilling the
Knowledge in a Neural Network", 2015): so it is as quick as any linear model. Whether it is the better one, held-out
labels tell: what lies around a rare item that is unlike all others says nothing of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.right_of_way import pause
from workers.training import classifier, fitting, solver
from workers.training.calibration import Calibration, calibrate
from workers.training.fitting import Sample
from workers.training.held_out import Found, HeldOut, best, each_fold, hold_out
from workers.training.solver import Axes, Stop

# With a stronger penalty rare classes were ordered a little better, and all were told a little worse.
_STRENGTH = 10.0
# It starts where the teacher is, and what it is taught is no truth to the last digit: three times as many steps made it
# no better.
_STOP = Stop(decrease=3e-4, flat=1e-3)


@dataclass(frozen=True)
class Lesson:
    """What a pupil is taught with. All is on the same axes.

    Attributes:
        untaught: (u,) which of the items that decisions are found on are none of those below.
        sample: n labeled items as the teacher sees them.
        surrounded: m random items of the pool as the teacher sees them.
        plain: these m items, and after them the n labeled ones, as the pupil sees them.
    """

    untaught: Mask
    sample: Sample
    surrounded: Axes
    plain: Axes

    def teach(self, rows: Index, *, strength: float, calibration: Calibration) -> Floats:
        """The pupil of a teacher that is fitted to some of the labeled items (r,), and was calibrated so.

        Returns:
            (n_classes, d + 1) float32 coefficients on the axes, in whose scores no class weights are to be undone.
        """
        coefficients = fitting.fit(self.sample, rows, strength=strength)
        prior = fitting.unweighted(self.sample, rows)
        learned = np.flatnonzero(fitting.learnable(self.sample.targets[rows]))
        if not len(learned):
            return coefficients
        pause()
        texts = np.arange(len(self.surrounded.coordinates))
        scores = [
            solver.scores(self.surrounded, texts, coefficients),
            solver.scores(self.sample.axes, rows, coefficients),
        ]
        odds = calibration.apply(np.concatenate(scores), prior)[:, learned]
        said = classifier.normalised(odds, exclusive=self.sample.exclusive)
        start = coefficients * calibration.slope[:, None]
        start[:, -1] += prior + calibration.shift
        coefficients[learned] = solver.minimise(
            self.plain,
            np.concatenate([texts, len(texts) + rows]),
            said,
            np.ones_like(said),
            strength=_STRENGTH,
            exclusive=self.sample.exclusive,
            start=start[learned].astype(np.float32),
            stop=_STOP,
        )
        return coefficients

    def try_out(self, folds: Index, strengths: Sequence[float]) -> Found | None:
        """How good pupils are, cross-fitted by the folds (n,) of the labeled items; None when they all are in one."""
        held_out = hold_out(self.sample, folds, strengths)
        if held_out is None:
            return None
        targets, exclusive = self.sample.targets, self.sample.exclusive
        teacher = best(held_out, targets, exclusive=exclusive)
        scores = np.zeros(targets.shape, dtype=np.float32)

        def ask(inside: Index, outside: Index) -> None:
            # A calibration on the answers would tell the pupil of them.
            known = calibrate(
                held_out.scores[teacher.strength][outside],
                targets[outside],
                held_out.known[outside],
                held_out.prior[outside],
                exclusive=exclusive,
            )
            coefficients = self.teach(outside, strength=teacher.strength, calibration=known)
            own = len(self.surrounded.coordinates) + inside
            scores[inside] = solver.scores(self.plain, own, coefficients)

        each_fold(folds, ask, of=self.plain)
        of_pupils = HeldOut({teacher.strength: scores}, held_out.known, np.zeros(targets.shape))
        found = best(of_pupils, targets, exclusive=exclusive)
        return Found(of_pupils, found.strength, found.calibration, found.loss, teacher.calibration)

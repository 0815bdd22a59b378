"""Learning rate schedules, one file each. The name of the file is the value of --schedule. A schedule module defines

    factor(t, step, settings) -> float
        Return the factor of the learning rate in weight update `step` (0 is the first): finite, not negative. t:
        fraction of the run that is done, 0 at the end of the warm-up; 1 would be the update after the last one.
        settings: Schedule, with the values of --poly-power, --step-size, --gamma, --rise and --final-factor.

Schedule applies the warm-up for all schedules. A factor depends on its arguments only, so checkpoints hold no schedule
state.
"""

import dataclasses
import math

from fcn.core import errors, registry

REQUIRED = ("factor(t, step, settings)",)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The learning rate over a run.

    name: name of a file in fcn/training/schedules. warmup: number of updates in which the rate grows linearly; the last
    of them has learning_rate. Other fields: settings of the schedules.
    """

    learning_rate: float
    name: str = "poly"
    warmup: int = 0
    poly_power: float = 0.9
    step_size: int = 100_000
    gamma: float = 0.1
    rise: float = 0.3
    final_factor: float = 4e-6

    def rate(self, step, steps):
        """Return the learning rate of weight update `step`, 0 to steps - 1. Raises UsageError for an invalid factor.

        config.checks ensures that warmup < steps.
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        t = (step - self.warmup) / (steps - self.warmup)
        factor = registry.load("schedules", self.name).factor(t, step, self)
        if not isinstance(factor, (int, float)) or not 0 <= factor < math.inf:
            raise errors.UsageError(f"the factor of step {step} is {factor!r}, expected a finite number of at least 0",
                                    where=registry.path("schedules", self.name))
        return self.learning_rate * factor

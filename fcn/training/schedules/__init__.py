"""One file per schedule of the learning rate: plain numbers, fed to the graph and kept in no checkpoint.

    factor(t, step, settings) -> float      what the learning rate is multiplied by in weight update `step` (from 0);
                                            finite and not negative
t is the share of the run that is done, from 0 after the warm-up to 1 where the run ends (which no update reaches);
settings is the Schedule, with the flags poly_power, step_size and gamma. The warm-up is the same for all.
"""

import dataclasses
import math

from fcn.core import errors, registry

REQUIRED = ("factor(t, step, settings)",)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The learning rate over a run. warmup: updates in which it grows linearly; the last of them has learning_rate."""

    learning_rate: float
    name: str = "poly"
    warmup: int = 0
    poly_power: float = 0.9
    step_size: int = 100_000
    gamma: float = 0.1

    def rate(self, step, steps):
        """The learning rate of weight update `step`, from 0 to steps - 1. warmup < steps (config.checks)."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        t = (step - self.warmup) / (steps - self.warmup)
        factor = registry.load("schedules", self.name).factor(t, step, self)
        if not isinstance(factor, (int, float)) or not 0 <= factor < math.inf:
            raise errors.UsageError(f"the factor of step {step} is {factor!r}, expected a number from 0 on",
                                    where=registry.path("schedules", self.name))
        return self.learning_rate * factor

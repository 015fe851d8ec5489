"""The parts of a request that are values of their own, each checked when it is made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from webui.errors import InvalidRequest
from webui.fields import FIELDS, RESUME, NumberField, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions:
    """What some samplers can be told; None is the sampler's own default."""

    eta: float | None = None
    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None
    s_noise: float | None = None
    order: int | None = None
    solver_type: str | None = None

    def __post_init__(self) -> None:
        check_part("sampling", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions:
    """What some schedules can be told; None is the schedule's own default."""

    sigma_min: float | None = None
    sigma_max: float | None = None
    rho: float | None = None
    shift: float | None = None  # of a flow model's levels; None is the model's own
    sigmas: tuple[float, ...] | None = None  # own noise levels, instead of a schedule's; falling

    def __post_init__(self) -> None:
        check_part("schedule_options", self)
        if self.sigma_min and self.sigma_max and self.sigma_min >= self.sigma_max:
            raise InvalidRequest(
                "schedule_options.sigma_min",
                f"must be below sigma_max, which is {self.sigma_max:g}; got {self.sigma_min:g}",
            )
        if self.sigmas is not None:
            object.__setattr__(self, "sigmas", _own_sigmas(self.sigmas))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The starting noise turned towards another seed's. Image i uses this seed + i."""

    seed: int
    strength: float  # 0 is none, 1 all the way

    def __post_init__(self) -> None:
        check_part("variation", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """A kept step of a picture, to go on from: a branch."""

    job: str  # whose trajectory holds it
    batch: int  # of that job, 0-based
    position: int  # of the picture in the batch, 0-based
    step: int  # the last one that is taken over, 1-based
    sha256: str  # of all that is taken over, as `trajectories.digest` has it
    turn: int = 0  # of the batch, 0-based, that the step is of

    def __post_init__(self) -> None:
        if not isinstance(self.job, str) or not _JOB.fullmatch(self.job):
            raise InvalidRequest("resume.job", f"must be a job's id, got {shown(self.job)}")
        for declared in RESUME:
            declared.check(getattr(self, declared.name.partition(".")[2]))
        if not isinstance(self.sha256, str) or not SHA256.fullmatch(self.sha256):
            raise InvalidRequest(
                "resume.sha256", f"must be 64 hexadecimal digits, got {shown(self.sha256)}"
            )


_MOST_SIGMA = 1000.0
_JOB = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_part(name: str, part: Any) -> None:
    """Checks what is given of the fields declared under `name`; what is None is left to its
    default. Whole numbers become floats."""
    for each in fields(part):
        declared, value = FIELDS.get(f"{name}.{each.name}"), getattr(part, each.name)
        if declared is None or (value is None and each.default is None):
            continue
        declared.check(value)
        if isinstance(declared, NumberField):
            object.__setattr__(part, each.name, float(value))


def _own_sigmas(values: object) -> tuple[float, ...]:
    name = "schedule_options.sigmas"
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InvalidRequest(name, f"must be a list of numbers, got {shown(values)}")
    most = FIELDS["steps"].maximum + 1  # type: ignore[union-attr]
    if not 2 <= len(values) <= most:
        raise InvalidRequest(name, f"must have 2 to {most} values, got {len(values)}")
    for value in values:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not 0 <= value <= _MOST_SIGMA:  # also true for NaN
            raise InvalidRequest(
                name, f"must hold numbers from 0 to {_MOST_SIGMA:g}, got {shown(value)}"
            )
    sigmas = tuple(float(value) for value in values)
    if sigmas[-1] != 0:
        raise InvalidRequest(name, f"must end with 0, got {shown(values[-1])}")
    for before, after in pairwise(sigmas):
        if not after < before:
            raise InvalidRequest(name, f"must fall from value to value, got {before:g}, {after:g}")
    return sigmas

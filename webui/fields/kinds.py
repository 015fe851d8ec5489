"""The kinds of field there are, and how each checks a value."""

from dataclasses import dataclass

from webui.errors import InvalidRequest

RANDOM_SEED = -1  # what a form or a program sends for a random one, as in A1111


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What all fields have; `name` is the attribute of `GenerationRequest`.

    A dot in it leads into a part: "sampling.eta" is `request.sampling.eta`.
    """

    name: str
    label: str  # on the page: A1111's words
    help: str  # one sentence, shown beside the control
    metadata: str | None = None  # key in A1111's parameters text, where it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class TextField(Field):
    default: str = ""
    max_length: int = 100_000  # characters

    def check(self, value: object) -> None:
        """Raises InvalidRequest unless `value` is text of at most `max_length` characters."""
        if not isinstance(value, str):
            raise InvalidRequest(self.name, f"must be text, got {shown(value)}")
        if len(value) > self.max_length:
            raise InvalidRequest(
                self.name, f"has {len(value)} characters; at most {self.max_length} fit"
            )
        for place, character in enumerate(value, 1):
            if character == "\0" or "\ud800" <= character <= "\udfff":
                what = "an invisible character" if character == "\0" else "half a character"
                raise InvalidRequest(
                    self.name, f"has {what}, U+{ord(character):04X}, at place {place}; take it out"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceField(Field):
    """One of the names registered at start (samplers, schedules, models) or listed here."""

    default: str = ""
    choices: tuple[str, ...] = ()  # empty: the registry or the library knows them

    def check(self, value: object) -> None:
        """Raises InvalidRequest unless `value` is a non-empty name, and one of `choices`."""
        if not isinstance(value, str) or not value:
            raise InvalidRequest(self.name, f"must be a name, got {shown(value)}")
        if self.choices and value not in self.choices:
            raise InvalidRequest(
                self.name, f"must be one of {', '.join(self.choices)}, got {shown(value)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerField(Field):
    default: int
    minimum: int
    maximum: int
    step: int = 1  # a value is a multiple of it

    def check(self, value: object) -> None:
        """Raises InvalidRequest unless `value` is an int in range and a multiple of `step`."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidRequest(self.name, f"must be a whole number, got {shown(value)}")
        if not self.minimum <= value <= self.maximum or value % self.step:
            every = f" and a multiple of {self.step}" if self.step > 1 else ""
            raise InvalidRequest(
                self.name,
                f"must be from {self.minimum} to {self.maximum}{every}, "
                f"got {shown(value)}; try {self.nearest(value)}",
            )

    def nearest(self, value: int) -> int:
        """The allowed value nearest to `value`."""
        near = (value + self.step // 2) // self.step * self.step
        return max(self.minimum, min(self.maximum, near))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedField(IntegerField):
    """Who asks may say RANDOM_SEED, which is settled before the value is checked."""

    def check(self, value: object) -> None:
        """Raises InvalidRequest unless `value` is an int in range."""
        outside = type(value) is int and not self.minimum <= value <= self.maximum
        if outside and value != RANDOM_SEED:  # which nobody chose in time: "-1 or" would be no help
            raise InvalidRequest(
                self.name,
                f"must be {RANDOM_SEED} for a random one, or {self.minimum} to {self.maximum}; "
                f"got {shown(value)}",
            )
        IntegerField.check(self, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberField(Field):
    default: float
    minimum: float
    maximum: float
    step: float  # of the slider; any value in between is allowed

    def check(self, value: object) -> None:
        """Raises InvalidRequest unless `value` is a finite number in range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidRequest(self.name, f"must be a number, got {shown(value)}")
        if not self.minimum <= value <= self.maximum:  # also false for NaN
            near = "" if value != value else f"; try {self.nearest(value):g}"  # NaN has none
            raise InvalidRequest(
                self.name,
                f"must be from {self.minimum:g} to {self.maximum:g}, got {shown(value)}{near}",
            )

    def nearest(self, value: float) -> float:
        """The allowed value nearest to `value`."""
        return max(self.minimum, min(self.maximum, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagField(Field):
    """Yes or no."""

    default: bool = False

    def check(self, value: object) -> None:
        """Raises InvalidRequest unless `value` is true or false."""
        if not isinstance(value, bool):
            raise InvalidRequest(self.name, f"must be true or false, got {shown(value)}")


AnyField = TextField | ChoiceField | IntegerField | NumberField


def shown(value: object) -> str:
    """`value` as quoted in an error: short, whatever was sent."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"  # repr() of a huge int is slow, or refused
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

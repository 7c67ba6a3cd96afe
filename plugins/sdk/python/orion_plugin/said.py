"""What plugins say."""

from dataclasses import dataclass, field
from enum import IntEnum


class Severity(IntEnum):
    """How bad a thing is, in four steps; a higher one is worse."""

    INFO = 0
    """Worth knowing."""
    WARNING = 1
    """Will become a problem."""
    ERROR = 2
    """Is a problem."""
    CRITICAL = 3
    """People are affected now."""


class ChangeKind(IntEnum):
    """What a change does to its incident."""

    OPENED = 0
    """There is a new incident."""
    UPDATED = 1
    """It grew or got worse."""
    RESOLVED = 2
    """It is over."""


@dataclass(slots=True)
class Finding:
    """One thing that a detector saw. At most one for each series and frame."""

    series: int | None
    """The series it is about; None when it is about the answer as a whole."""
    timestamp: int
    """When, in milliseconds."""
    value: float
    """The value that made it."""
    message: str = ""
    """One sentence for a person; empty leaves it to the rule's annotations."""
    severity: Severity | None = None
    """None leaves it to the rule."""
    score: float | None = None
    """How unusual, for detectors that can tell."""
    fields: dict[str, str | float | int | bool] = field(default_factory=dict)
    """Further facts."""


@dataclass(slots=True)
class Change:
    """A step in the life of the incident that belongs to `key`."""

    kind: ChangeKind
    key: str
    """The group the incident is about: a key of the events, or one of the correlator's own."""
    severity: Severity
    """How bad it is now."""
    timestamp: int
    """When, in milliseconds."""
    reason: str
    """Why, in a few words."""
    positions: list[int] = field(default_factory=list)
    """Bus positions of the events that this change adds to the incident."""
    fields: dict[str, str | float | int | bool] = field(default_factory=dict)
    """Further facts."""

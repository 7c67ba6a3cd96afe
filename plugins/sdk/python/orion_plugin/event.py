"""Events as a correlator sees them: one by one, texts looked up when asked for."""

from enum import IntEnum

from .frame import pairs, piece
from .said import Severity


class Status(IntEnum):
    """Whether a thing began, ended, or just happened."""

    OCCURRED = 0
    """A thing of one moment."""
    FIRING = 1
    """It holds from now on."""
    RESOLVED = 2
    """It held until now."""


_SEVERITIES = tuple(Severity)
_STATUSES = tuple(Status)

_FIXED_PIECES = 2
"""Pieces of text of an event before its labels: key and type."""


class Event:
    """One event."""

    __slots__ = (
        "position", "timestamp", "severity", "status", "fingerprint", "value", "_text", "_ends", "_piece", "_labels",
    )

    @property
    def key(self):
        """Its group."""
        return piece(self._text, self._ends, self._piece)

    @property
    def type(self):
        """What kind of thing: `service_down`."""
        return piece(self._text, self._ends, self._piece + 1)

    @property
    def labels(self):
        """Its labels, sorted by name."""
        return pairs(self._text, self._ends, self._piece + _FIXED_PIECES, self._labels)


def events(positions, timestamps, severities, statuses, fingerprints, values, label_counts, text, ends):
    """Events from the columns of a batch."""
    told = []
    at = 0
    columns = zip(positions, timestamps, severities, statuses, fingerprints, values, label_counts)
    for position, timestamp, severity, status, fingerprint, value, labels in columns:
        event = Event()
        event.position = position
        event.timestamp = timestamp
        event.severity = _SEVERITIES[severity]
        event.status = _STATUSES[status]
        event.fingerprint = fingerprint
        event.value = value
        event._text = text
        event._ends = ends
        event._piece = at
        event._labels = labels
        told.append(event)
        at += _FIXED_PIECES + 2 * labels
    return told

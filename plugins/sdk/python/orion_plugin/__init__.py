"""What a plugin of Orion is written with. A detector reads frames and emits findings; a correlator reads events and emits
incident changes; neither can do anything else.

    from orion_plugin import Finding, detector

    @detector
    class Above:
        def __init__(self, parameters):
            self.bound = parameters.number("above", 90.0)

        def observe(self, frame, emit):
            for series, timestamp, value in frame:
                if value > self.bound:
                    host = frame.labels(series).get("instance", "somewhere")
                    emit(Finding(series, timestamp, value, f"too much on {host}"))

Equal inputs must give equal outputs. There is no clock and no randomness to go wrong with; what is left is the order of
sets, so sort what comes out of one.
"""

from .event import Event, Status
from .frame import Frame
from .parameters import Parameters, Refused
from .said import Change, ChangeKind, Finding, Severity
from .state import SeriesState, State

__all__ = [
    "Change",
    "ChangeKind",
    "Event",
    "Finding",
    "Frame",
    "Parameters",
    "Refused",
    "SeriesState",
    "Severity",
    "State",
    "Status",
    "correlator",
    "detector",
    "registered",
]

_registered = {}


def detector(made):
    """Says which class the plugin's detector is. It is made from its `Parameters`, has `observe(frame, emit)`, and, when it
    remembers something, an attribute `state`."""
    _registered["detector"] = made
    return made


def correlator(made):
    """Says which class the plugin's correlator is. It is made from its `Parameters`, has `correlate(now, events, emit)`, and,
    when it remembers something, an attribute `state`."""
    _registered["correlator"] = made
    return made


def registered(kind):
    """The class that the plugin said is its detector or correlator."""
    return _registered[kind]

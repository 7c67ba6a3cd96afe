"""A series that is far above its own running mean."""

import struct
from math import isfinite

from orion_plugin import Finding, SeriesState, Severity, detector

STATE_VERSION = 1
"""Raise it, here and in plugin.toml, when the form of `Mean` changes."""

FORM = struct.Struct("<dqq")


class Mean:
    """What a series taught so far."""

    __slots__ = ("mean", "samples", "last")

    def __init__(self, mean, samples, last):
        self.mean = mean
        self.samples = samples
        self.last = last

    def pack(self):
        return FORM.pack(self.mean, self.samples, self.last)

    @classmethod
    def unpack(cls, packed):
        return cls(*FORM.unpack(packed))


@detector
class Surge:
    def __init__(self, parameters):
        self.factor = parameters.number("factor", 3.0)
        self.warmup = parameters.integer("warmup", 10)
        self.weight = parameters.number("weight", 0.1)
        self.state = SeriesState(STATE_VERSION, pack=Mean.pack, unpack=Mean.unpack)

    def observe(self, frame, emit):
        # Names of this function's own are quicker than attributes, and this loop runs for every sample.
        state, changed, factor, warmup, weight = self.state, self.state.changed, self.factor, self.warmup, self.weight
        for series, timestamp, value in frame:
            if not isfinite(value):
                continue
            known = state.get(series)
            if known is None:
                state[series] = Mean(value, 1, timestamp)
                continue
            mean = known.mean
            if value > factor * mean and mean > 0 and known.samples >= warmup:
                emit(self.finding(frame, series, timestamp, value, known))
            # A sample that is not newer teaches nothing: after an edit of the rule the same instant may be seen again.
            if timestamp > known.last:
                known.mean = mean + weight * (value - mean)
                known.samples += 1
                known.last = timestamp
                changed(series)

    def finding(self, frame, series, timestamp, value, known):
        labels = frame.labels(series)
        name = labels.get("instance", labels.get("job", "a series"))
        return Finding(
            series,
            timestamp,
            value,
            f"{name} is far above its mean",
            severity=Severity.CRITICAL if value > 2 * self.factor * known.mean else None,
            score=value / known.mean,
            fields={"mean": known.mean, "samples": known.samples},
        )

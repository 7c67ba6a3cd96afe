"""Plugins called directly, without WebAssembly: the same steps a host takes.

    probe = DetectorProbe(Above, above=90.0)
    probe.define(0, instance="a")
    findings = probe.observe(60_000, [(0, 95.0)])
"""

from math import nan

from .parameters import Parameters
from .runner import CorrelatorRunner, DetectorRunner
from .said import Severity
from .event import Status


class Saved(dict):
    """What a host keeps of a plugin's state."""

    def keep(self, entries):
        """Takes what a checkpoint returned."""
        for key, value in entries:
            if value is None:
                self.pop(key, None)
            else:
                self[key] = value


def _texts(pieces):
    text, ends = b"", []
    for piece in pieces:
        text += piece.encode()
        ends.append(len(text))
    return text, ends


def _flat(labels):
    return [piece for pair in sorted(labels.items()) for piece in pair]


class _Probe:
    def __init__(self, runner, given):
        self._runner = runner
        runner.configure(Parameters(given))

    def checkpoint(self):
        """What changed in its state."""
        return self._runner.checkpoint()

    def restore(self, version, saved):
        """Hands it saved state."""
        self._runner.restore(version, sorted(saved.items()))


class DetectorProbe(_Probe):
    """A detector that is called directly, configured with these parameters; a refusal is raised."""

    def __init__(self, made, **given):
        super().__init__(DetectorRunner(made), given)

    def define(self, series, **labels):
        """Tells the labels of a series."""
        self._runner.define([series], [len(labels)], *_texts(_flat(labels)))

    def drop(self, *ids):
        """Says that series will not come again."""
        self._runner.drop(list(ids))

    def observe(self, now, samples):
        """Shows it a frame: series and value of each sample, and its timestamp if that is not `now`. Returns what it finds."""
        found = []
        samples = [(*sample, now)[:3] for sample in samples]
        ids, values, timestamps = zip(*samples) if samples else ([], [], [])
        self._runner.observe(now, list(ids), list(timestamps), list(values), found.append)
        return found


class CorrelatorProbe(_Probe):
    """A correlator that is called directly, configured with these parameters; a refusal is raised."""

    def __init__(self, made, **given):
        super().__init__(CorrelatorRunner(made), given)

    def correlate(self, now, events=()):
        """Shows it events, or with none that time has passed. An event is a dictionary with `position`, `timestamp` and `key`,
        and may have `severity`, `status`, `fingerprint`, `value`, `type` and `labels`. Returns what it says."""
        said = []
        pieces = [(event["key"], event.get("type", "test"), *_flat(event.get("labels", {}))) for event in events]
        columns = (
            [event["position"] for event in events],
            [event["timestamp"] for event in events],
            bytes(event.get("severity", Severity.ERROR) for event in events),
            bytes(event.get("status", Status.FIRING) for event in events),
            [event.get("fingerprint", 0) for event in events],
            [event.get("value", nan) for event in events],
            [len(event.get("labels", {})) for event in events],
            *_texts(piece for event in pieces for piece in event),
        )
        self._runner.correlate(now, columns, said.append)
        return said

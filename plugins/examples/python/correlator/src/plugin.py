"""Many events of one group within a short time."""

import json

from orion_plugin import Change, ChangeKind, Severity, State, Status, correlator

STATE_VERSION = 1
"""Raise it, here and in plugin.toml, when the form of `Group` changes."""

MILLIS_PER_SECOND = 1000


class Group:
    """What is known of a group: whether its incident is open, how bad it is, when the last event was, and time and position
    of the events that may become an incident."""

    def __init__(self, last, open=False, severity=Severity.INFO, kept=()):
        self.last = last
        self.open = open
        self.severity = Severity(severity)
        self.kept = [tuple(event) for event in kept]

    def pack(self):
        return json.dumps([self.last, self.open, self.severity, self.kept]).encode()

    @classmethod
    def unpack(cls, packed):
        return cls(*json.loads(packed))

    def forget(self, edge):
        """Drops what is as old as `edge` or older. With nothing left the severity starts anew."""
        self.kept = [(timestamp, position) for timestamp, position in self.kept if timestamp > edge]
        if not self.kept:
            self.severity = Severity.INFO

    def take(self):
        """The positions of what is kept, which from now on belongs to an incident."""
        positions = [position for _, position in self.kept]
        self.kept = []
        return positions


@correlator
class Burst:
    def __init__(self, parameters):
        self.count = parameters.integer("count", 3)
        self.window = parameters.millis("window", 300_000)
        self.quiet = parameters.millis("quiet", 600_000)
        self.state = State(STATE_VERSION, pack=Group.pack, unpack=Group.unpack)

    def correlate(self, now, events, emit):
        for event in events:
            if event.status != Status.RESOLVED:
                self.take(event, emit)
        for key, group in self.state.items():
            if self.is_over(group, now):
                self.resolve(key, group, emit)
            elif not group.open and group.last <= now - self.window:
                del self.state[key]

    def take(self, event, emit):
        key, time = event.key, event.timestamp
        group = self.state.get(key)
        if group is not None and self.is_over(group, time):
            self.resolve(key, group, emit)
            group = None
        if group is None:
            group = Group(time)
        if not group.open:
            group.forget(time - self.window)
        group.kept.append((time, event.position))
        group.severity = max(group.severity, event.severity)
        group.last = max(group.last, time)
        if group.open:
            emit(Change(ChangeKind.UPDATED, key, group.severity, time, "one more event", group.take()))
        elif len(group.kept) >= self.count:
            self.open(key, group, time, emit)
        self.state[key] = group

    def open(self, key, group, time, emit):
        count = len(group.kept)
        reason = f"{count} events within {self.window // MILLIS_PER_SECOND} s"
        group.open = True
        emit(Change(ChangeKind.OPENED, key, group.severity, time, reason, group.take(), {"events": count}))

    def is_over(self, group, time):
        return group.open and time - group.last >= self.quiet

    def resolve(self, key, group, emit):
        reason = f"quiet for {self.quiet // MILLIS_PER_SECOND} s"
        emit(Change(ChangeKind.RESOLVED, key, group.severity, group.last + self.quiet, reason))
        del self.state[key]

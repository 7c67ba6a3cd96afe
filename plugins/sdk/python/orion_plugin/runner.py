"""A plugin being called: the same steps whether a host calls it through WebAssembly or a test calls it directly."""

from .event import events
from .frame import Frame, SeriesBook
from .parameters import Refused


class _Runner:
    def __init__(self, made):
        self._made = made
        self.plugin = None

    def configure(self, parameters):
        self.plugin = self._made(parameters)

    @property
    def _state(self):
        return getattr(self.plugin, "state", None)

    def restore(self, version, entries):
        state = self._state
        if state is not None:
            state.restore(version, entries)
        elif entries:
            raise Refused("there is saved state, and this plugin keeps none")

    def checkpoint(self):
        state = self._state
        return state.checkpoint() if state is not None else []


class DetectorRunner(_Runner):
    """One instance of a detector."""

    def __init__(self, made):
        super().__init__(made)
        self._book = SeriesBook()

    def define(self, ids, label_counts, text, ends):
        self._book.define(ids, label_counts, text, ends)

    def drop(self, ids):
        self._book.drop(ids)
        if self._state is not None:
            self._state.drop(ids)

    def observe(self, now, ids, timestamps, values, emit):
        self.plugin.observe(Frame(now, ids, timestamps, values, self._book), emit)


class CorrelatorRunner(_Runner):
    """One instance of a correlator."""

    def correlate(self, now, columns, emit):
        self.plugin.correlate(now, events(*columns), emit)

"""What a plugin remembers. The host keeps it: after each call it asks what changed, and hands all of it back to the next
instance. So these dictionaries know which of their keys changed, and a quiet call costs nothing."""

import json
import struct
from collections.abc import Mapping, MutableMapping

from .parameters import Refused

_KEY = struct.Struct("<I")


def _pack(value):
    return json.dumps(value, separators=(",", ":")).encode()


class State(dict):
    """A dictionary from texts to values that is saved. Walking over it is in the order of the keys: that in which they came
    would be another one after a restart.

    `pack` makes bytes of a value and `unpack` a value of bytes; without them a value is whatever JSON can hold. A value that is
    changed in place has to be named with `changed(key)`."""

    def __init__(self, version, pack=_pack, unpack=json.loads):
        super().__init__()
        self._version = version
        self._pack = pack
        self._unpack = unpack
        self._dirty = set()
        self.changed = self._dirty.add

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self._dirty.add(key)

    def __delitem__(self, key):
        super().__delitem__(key)
        self._dirty.add(key)

    def __iter__(self):
        return iter(sorted(super().keys()))

    def __reversed__(self):
        return iter(sorted(super().keys(), reverse=True))

    # Those of a plain dictionary would go past what is above.
    keys = Mapping.keys
    values = Mapping.values
    items = Mapping.items
    popitem = MutableMapping.popitem
    setdefault = MutableMapping.setdefault
    update = MutableMapping.update

    def __ior__(self, other):
        self.update(other)
        return self

    def pop(self, key, *otherwise):
        if otherwise and key not in self:
            return otherwise[0]
        value = self[key]
        del self[key]
        return value

    def clear(self):
        for key in self:
            del self[key]

    def restore(self, version, entries):
        """Takes back what earlier checkpoints handed out."""
        if version != self._version:
            raise Refused(f"the saved state has version {version}, and this plugin reads {self._version}; reset it")
        try:
            super().update((self._read_key(key), self._unpack(value)) for key, value in entries)
        except (ValueError, TypeError, LookupError, struct.error):
            raise Refused("the saved state is not what this plugin wrote; reset it") from None

    def checkpoint(self):
        """What changed since the last call: key and value of each, None for one that is gone."""
        write, pack = self._write_key, self._pack
        entries = [(write(key), pack(self[key]) if key in self else None) for key in sorted(self._dirty)]
        self._dirty.clear()
        return entries

    def drop(self, ids):
        """Nothing: the keys are the plugin's own."""

    @staticmethod
    def _write_key(key):
        return key.encode()

    @staticmethod
    def _read_key(key):
        return key.decode()


class SeriesState(State):
    """A dictionary from series to values that is saved, and forgets dropped series by itself."""

    def drop(self, ids):
        """Forgets series that will not come again under their numbers."""
        for series in ids:
            self.pop(series, None)

    @staticmethod
    def _write_key(key):
        return _KEY.pack(key)

    @staticmethod
    def _read_key(key):
        return _KEY.unpack(key)[0]

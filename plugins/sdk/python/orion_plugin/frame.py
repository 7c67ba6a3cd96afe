"""Frames as a detector sees them: samples one by one, with labels that are looked up when asked for."""


class Frame:
    """The answer to the rule's query at one instant. Walking over it gives series, timestamp and value of each sample, in
    the order of the answer."""

    __slots__ = ("now", "ids", "timestamps", "values", "_book")

    def __init__(self, now, ids, timestamps, values, book):
        self.now = now
        """The instant that was asked for, in milliseconds."""
        self.ids = ids
        """The column of series: numbers that stay the same from frame to frame."""
        self.timestamps = timestamps
        """The column of timestamps, in milliseconds."""
        self.values = values
        """The column of values."""
        self._book = book

    def __len__(self):
        return len(self.ids)

    def __iter__(self):
        return zip(self.ids, self.timestamps, self.values)

    def labels(self, series):
        """The labels of a series, sorted by name."""
        return self._book.labels(series)


def piece(text, ends, index):
    """One of the texts that lie behind one another in `text`."""
    return text[ends[index - 1] if index else 0 : ends[index]].decode()


def pairs(text, ends, first, count):
    """Labels whose names and values are pieces of `text`."""
    return {piece(text, ends, at): piece(text, ends, at + 1) for at in range(first, first + 2 * count, 2)}


class SeriesBook:
    """The labels of all series that were defined: as they came, until somebody asks for them."""

    def __init__(self):
        self._rows = {}

    def define(self, ids, label_counts, text, ends):
        first = 0
        for series, count in zip(ids, label_counts):
            self._rows[series] = (text, ends, first, count)
            first += 2 * count

    def drop(self, ids):
        for series in ids:
            self._rows.pop(series, None)

    def labels(self, series):
        row = self._rows.get(series)
        if type(row) is tuple:
            row = self._rows[series] = pairs(*row)
        return row if row is not None else {}

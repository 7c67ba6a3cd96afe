"""What a rule says under `with:`, by name and type."""


class Refused(ValueError):
    """A refusal in words: what is wrong and what to write instead."""


class Parameters(dict):
    """All that the rule said, with the manifest's defaults filled in. The host has checked types and bounds, so a value of
    another type than the plugin asks for is as good as none."""

    def number(self, name, otherwise=None):
        """A number; `otherwise` when nothing was said."""
        return self._said(name, float, otherwise)

    def integer(self, name, otherwise=None):
        """A whole number; `otherwise` when nothing was said."""
        return self._said(name, int, otherwise)

    def millis(self, name, otherwise=None):
        """A duration in milliseconds; `otherwise` when nothing was said."""
        return self._said(name, int, otherwise)

    def flag(self, name, otherwise=None):
        """True or false; `otherwise` when nothing was said."""
        return self._said(name, bool, otherwise)

    def text(self, name, otherwise=None):
        """A text; `otherwise` when nothing was said."""
        return self._said(name, str, otherwise)

    def texts(self, name):
        """A list of texts, or a mapping as names and values in turns; empty when nothing was said."""
        return self._said(name, list, [])

    def _said(self, name, wanted, otherwise):
        value = self.get(name)
        # Not isinstance: a flag is an int, too, for Python.
        return value if type(value) is wanted else otherwise

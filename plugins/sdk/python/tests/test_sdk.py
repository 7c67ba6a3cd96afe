import unittest
from math import isnan

from orion_plugin import Change, ChangeKind, Finding, Parameters, Refused, SeriesState, Severity, State, Status
from orion_plugin.testing import CorrelatorProbe, DetectorProbe, Saved


class Echo:
    """Says back everything that it is told, and how often it saw a series."""

    def __init__(self, parameters):
        if parameters.flag("refuse"):
            raise Refused("`refuse` is sät")
        self.state = SeriesState(7)

    def observe(self, frame, emit):
        for series, timestamp, value in frame:
            self.state[series] = self.state.get(series, 0) + 1
            labels = ";".join(f"{name}={text}" for name, text in frame.labels(series).items())
            emit(Finding(series, timestamp, value, labels, score=float(self.state[series])))


class Teller:
    """Says back every event. Keeps no state."""

    def __init__(self, parameters):
        pass

    def correlate(self, now, events, emit):
        for event in events:
            facts = {"type": event.type, "status": int(event.status), "print": event.fingerprint, "value": event.value, "now": now}
            reason = str(event.labels)
            emit(Change(ChangeKind.UPDATED, event.key, event.severity, event.timestamp, reason, [event.position], facts))


class ParametersTest(unittest.TestCase):
    def test_they_come_with_their_types_and_what_was_not_said_is_what_the_plugin_says_instead(self):
        given = Parameters(number=-2.5, integer=1 << 62, flag=False, text="höst", texts=["a", ""])
        said = given.number("number"), given.integer("integer"), given.flag("flag"), given.text("text"), given.texts("texts")
        self.assertEqual(said, (-2.5, 1 << 62, False, "höst", ["a", ""]))
        other = given.number("other", 1.0), given.millis("other"), given.integer("flag", 3), given.texts("other")
        self.assertEqual(other, (1.0, None, 3, []))

    def test_a_refusal_comes_in_words(self):
        with self.assertRaisesRegex(Refused, "`refuse` is sät"):
            DetectorProbe(Echo, refuse=True)


class DetectorTest(unittest.TestCase):
    def test_a_series_has_the_labels_it_was_last_given_and_none_once_it_is_dropped(self):
        probe = DetectorProbe(Echo)
        probe.define(3, zone="ä", job="😀")
        probe.define(0)
        told = [probe.observe(1, [(3, 1.0)])[0].message]
        probe.define(3, job="other")
        told.append(probe.observe(2, [(3, 1.0)])[0].message)
        probe.drop(3, 99)
        told.append(probe.observe(3, [(3, 1.0)])[0].message)
        self.assertEqual(told, ["job=😀;zone=ä", "job=other", ""])

    def test_a_checkpoint_holds_what_changed_in_order_and_goes_back_into_another_instance(self):
        probe, other, saved = DetectorProbe(Echo), DetectorProbe(Echo), Saved()
        probe.observe(1, [(9, 1.0), (2, 1.0)])
        saved.keep(probe.checkpoint())
        self.assertEqual(list(saved), [b"\x02\0\0\0", b"\x09\0\0\0"])
        self.assertEqual(probe.checkpoint(), [])
        probe.observe(2, [(9, 1.0)])
        probe.drop(2)
        self.assertEqual(probe.checkpoint(), [(b"\x02\0\0\0", None), (b"\x09\0\0\0", b"2")])
        saved.keep([(b"\x09\0\0\0", b"2")])
        other.restore(7, saved)
        self.assertEqual([found.score for found in other.observe(3, [(9, 1.0), (2, 1.0), (4, 1.0)])], [3.0, 2.0, 1.0])

    def test_state_of_another_version_or_that_is_something_else_is_refused(self):
        with self.assertRaisesRegex(Refused, "the saved state has version 8, and this plugin reads 7; reset it"):
            DetectorProbe(Echo).restore(8, Saved({b"\0\0\0\0": b"1"}))
        for foreign in ({b"\0": b"1"}, {b"\0\0\0\0": b"{"}, {b"\0\0\0\0": b"\xff"}):
            with self.assertRaisesRegex(Refused, "the saved state is not what this plugin wrote; reset it"):
                DetectorProbe(Echo).restore(7, Saved(foreign))
        with self.assertRaisesRegex(Refused, "there is saved state, and this plugin keeps none"):
            CorrelatorProbe(Teller).restore(1, Saved({b"a": b"1"}))


class CorrelatorTest(unittest.TestCase):
    def test_an_event_is_told_whole(self):
        event = {
            "position": (1 << 63) + 1, "timestamp": 5, "key": "schlüssel", "severity": Severity.CRITICAL,
            "status": Status.RESOLVED, "fingerprint": 77, "value": 1.5, "type": "döwn", "labels": {"zone": "日本", "a": ""},
        }  # fmt: skip
        first, change = CorrelatorProbe(Teller).correlate(8, [{"position": 1, "timestamp": 4, "key": ""}, event])
        self.assertTrue(isnan(first.fields["value"]))
        facts = {"type": "döwn", "status": 2, "print": 77, "value": 1.5, "now": 8}
        reason = "{'a': '', 'zone': '日本'}"
        wanted = Change(ChangeKind.UPDATED, "schlüssel", Severity.CRITICAL, 5, reason, [(1 << 63) + 1], facts)
        self.assertEqual(change, wanted)


class StateTest(unittest.TestCase):
    def test_it_is_walked_in_the_order_of_its_keys(self):
        state = State(1)
        state.update(dict.fromkeys(["😀", "b", "\N{REPLACEMENT CHARACTER}", ""], 0))
        self.assertEqual(list(state), ["", "b", "\N{REPLACEMENT CHARACTER}", "😀"])
        self.assertEqual(list(state.items())[0], ("", 0))

    def test_every_way_to_change_it_is_saved(self):
        ways = {
            "set": lambda state: state.__setitem__("a", [1]),
            "delete": lambda state: state.__delitem__("a"),
            "pop": lambda state: state.pop("a"),
            "popitem": lambda state: state.popitem(),
            "clear": lambda state: state.clear(),
            "setdefault": lambda state: state.setdefault("c", 3),
            "update": lambda state: state.update(a=[4]),
            "or": lambda state: state.__ior__({"a": [5]}),
            "in place": lambda state: (state["a"].append(6), state.changed("a")),
        }
        for name, change in ways.items():
            with self.subTest(name):
                state, saved = State(1), Saved()
                state["a"], state["b"] = [0], [0]
                saved.keep(state.checkpoint())
                change(state)
                saved.keep(state.checkpoint())
                other = State(1)
                other.restore(1, saved.items())
                self.assertEqual(dict(other.items()), dict(state.items()))


if __name__ == "__main__":
    unittest.main()

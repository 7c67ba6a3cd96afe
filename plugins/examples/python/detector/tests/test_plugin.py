import unittest
from math import inf, nan

from orion_plugin import Finding, Severity
from orion_plugin.testing import DetectorProbe, Saved
from plugin import STATE_VERSION, Surge

MINUTE = 60_000


def start():
    return DetectorProbe(Surge, factor=3.0, warmup=3, weight=0.5)


def findings(probe, *values):
    """Shows three quiet minutes and then these values, and returns what is found in those."""
    quiet = [found for minute in (1, 2, 3) for found in probe.observe(minute * MINUTE, [(0, 10.0)])]
    assert not quiet, quiet
    return [found for minute, value in enumerate(values, 4) for found in probe.observe(minute * MINUTE, [(0, value)])]


class SurgeTest(unittest.TestCase):
    def test_a_value_far_above_the_mean_is_found_with_what_the_mean_was(self):
        probe = start()
        probe.define(0, instance="höst", job="node")
        message, facts = "höst is far above its mean", {"mean": 10.0, "samples": 3}
        wanted = Finding(0, 4 * MINUTE, 31.0, message, score=3.1, fields=facts)
        self.assertEqual(findings(probe, 31.0), [wanted])

    def test_a_value_twice_as_far_is_critical_and_one_at_the_bound_is_nothing(self):
        self.assertEqual(findings(start(), 60.5)[0].severity, Severity.CRITICAL)
        self.assertEqual(findings(start(), 30.0), [])

    def test_what_is_no_number_and_what_was_seen_before_teaches_nothing(self):
        probe = start()
        self.assertEqual(findings(probe, nan, inf), [])
        probe.observe(3 * MINUTE, [(0, 1000.0)])
        (found,) = probe.observe(10 * MINUTE, [(0, 31.0)])
        self.assertEqual(found.fields, {"mean": 10.0, "samples": 3})
        self.assertEqual(found.message, "a series is far above its mean")

    def test_a_restart_changes_nothing(self):
        whole, saved = start(), Saved()
        for minute in range(1, 20):
            part = start()
            part.restore(STATE_VERSION, saved)
            samples = [(0, float(minute * 7 % 13)), (1, 4.0 if minute % 5 else 90.0)]
            self.assertEqual(part.observe(minute * MINUTE, samples), whole.observe(minute * MINUTE, samples))
            saved.keep(part.checkpoint())
        self.assertEqual(len(saved), 2)

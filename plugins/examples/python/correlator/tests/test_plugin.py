import unittest

from orion_plugin import Change, ChangeKind, Severity, Status
from orion_plugin.testing import CorrelatorProbe, Saved
from plugin import STATE_VERSION, Burst

MINUTE = 60_000


def start():
    return CorrelatorProbe(Burst, count=3, window=5 * MINUTE, quiet=10 * MINUTE)


def event(position, minute, **more):
    return {"position": position, "timestamp": minute * MINUTE, "key": "jellyfin", **more}


class BurstTest(unittest.TestCase):
    def test_the_third_event_within_the_window_opens_an_incident_with_all_three(self):
        probe = start()
        self.assertEqual(probe.correlate(2 * MINUTE, [event(1, 0), event(2, 1)]), [])
        wanted = Change(
            ChangeKind.OPENED, "jellyfin", Severity.CRITICAL, 3 * MINUTE, "3 events within 300 s", [1, 2, 5], {"events": 3}
        )
        self.assertEqual(probe.correlate(3 * MINUTE, [event(5, 3, severity=Severity.CRITICAL)]), [wanted])

    def test_events_too_far_apart_or_resolved_ones_are_not_enough(self):
        probe = start()
        self.assertEqual(probe.correlate(9 * MINUTE, [event(1, 0), event(2, 4), event(3, 9)]), [])
        self.assertEqual(probe.correlate(9 * MINUTE, [event(4, 9, status=Status.RESOLVED)]), [])

    def test_an_incident_grows_ends_when_it_was_quiet_for_long_enough_and_may_come_again(self):
        changes = start().correlate(30 * MINUTE, [event(minute, minute) for minute in (1, 2, 3, 4, 30)])
        self.assertEqual(
            [(change.kind, change.timestamp // MINUTE, change.positions) for change in changes],
            [(ChangeKind.OPENED, 3, [1, 2, 3]), (ChangeKind.UPDATED, 4, [4]), (ChangeKind.RESOLVED, 14, [])],
        )

    def test_a_tick_ends_what_was_quiet_in_the_order_of_the_keys_bytes(self):
        probe = start()
        keys = ["😀", "b", "\N{REPLACEMENT CHARACTER}", "ä"]
        probe.correlate(MINUTE, [event(n, 1, key=key) for n, key in enumerate(sorted(keys * 3))])
        ended = probe.correlate(11 * MINUTE)
        self.assertEqual([change.key for change in ended], ["b", "ä", "\N{REPLACEMENT CHARACTER}", "😀"])
        self.assertEqual(ended[0].reason, "quiet for 600 s")

    def test_a_restart_changes_nothing_and_nothing_is_left_of_what_is_over(self):
        whole, saved, said = start(), Saved(), 0
        for minute in range(60):
            part = start()
            part.restore(STATE_VERSION, saved)
            events = [event(minute + 1, minute, key=f"group-{minute % 2}")] if minute % 20 < 12 else []
            changes = part.correlate(minute * MINUTE, events)
            self.assertEqual(changes, whole.correlate(minute * MINUTE, events))
            said += len(changes)
            saved.keep(part.checkpoint())
        self.assertGreater(said, 6)
        last = start()
        last.restore(STATE_VERSION, saved)
        last.correlate(1000 * MINUTE)
        saved.keep(last.checkpoint())
        self.assertEqual(saved, {})

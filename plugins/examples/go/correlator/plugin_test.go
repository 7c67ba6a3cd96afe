package main

import (
	"fmt"
	"reflect"
	"testing"

	"orion/plugin"
	"orion/plugin/plugintest"
)

const minute = 60_000

func probe(t *testing.T) *plugintest.Correlator {
	t.Helper()
	given := plugin.Parameters{"count": int64(3), "window": int64(5 * minute), "quiet": int64(10 * minute)}
	probe, err := plugintest.NewCorrelator(newBurst(), given)
	if err != nil {
		t.Fatal(err)
	}
	return probe
}

func event(position uint64, at int64) plugintest.Event {
	return plugintest.Event{Position: position, At: at * minute, Key: "jellyfin"}
}

func TestTheThirdEventWithinTheWindowOpensAnIncidentWithAllThree(t *testing.T) {
	probe := probe(t)
	if early := probe.Correlate(2*minute, event(1, 0), event(2, 1)); early != nil {
		t.Fatalf("said %+v", early)
	}
	third := event(5, 3)
	third.Severity = plugin.Critical
	wanted := []plugin.Change{{
		Kind: plugin.Opened, Key: "jellyfin", Severity: plugin.Critical, Timestamp: 3 * minute,
		Reason: "3 events within 300 s", Positions: []uint64{1, 2, 5},
		Fields: []plugin.Field{{Name: "events", Value: plugin.Integer(3)}},
	}}
	if said := probe.Correlate(3*minute, third); !reflect.DeepEqual(said, wanted) {
		t.Errorf("said %+v", said)
	}
}

func TestEventsTooFarApartOrResolvedOnesAreNoBurst(t *testing.T) {
	probe := probe(t)
	resolved := event(4, 9)
	resolved.Status = plugin.StatusResolved
	if said := probe.Correlate(9*minute, event(1, 0), event(2, 4), event(3, 9), resolved); said != nil {
		t.Errorf("said %+v", said)
	}
}

func TestAnIncidentGrowsAndEndsWhenItWasQuietForLongEnough(t *testing.T) {
	said := probe(t).Correlate(30*minute, event(1, 1), event(2, 2), event(3, 3), event(4, 4), event(30, 30))
	var told []string
	for _, change := range said {
		told = append(told, fmt.Sprint(change.Kind, change.Timestamp/minute, change.Positions))
	}
	wanted := []string{"0 3 [1 2 3]", "1 4 [4]", "2 14 []"}
	if !reflect.DeepEqual(told, wanted) {
		t.Errorf("said %q", told)
	}
}

func TestATickEndsWhatWasQuietInTheOrderOfTheKeysBytes(t *testing.T) {
	probe := probe(t)
	for i, key := range []string{"😀", "b", "\uFFFD", "ä"} {
		for n := range 3 {
			probe.Correlate(minute, plugintest.Event{Position: uint64(10*i + n), At: minute, Key: key})
		}
	}
	var ended []string
	for _, change := range probe.Correlate(11 * minute) {
		ended = append(ended, change.Key)
	}
	if wanted := []string{"b", "ä", "\uFFFD", "😀"}; !reflect.DeepEqual(ended, wanted) {
		t.Errorf("ended %q", ended)
	}
}

func TestARestartChangesNothingAndNothingIsLeftOfWhatIsOver(t *testing.T) {
	whole, saved, count := probe(t), plugintest.Saved{}, 0
	for at := range int64(60) {
		part := probe(t)
		if err := part.Restore(stateVersion, &saved); err != nil {
			t.Fatal(err)
		}
		var events []plugintest.Event
		if at%20 < 12 {
			events = append(events, plugintest.Event{Position: uint64(at + 1), At: at * minute, Key: fmt.Sprint("group-", at%2)})
		}
		one, two := part.Correlate(at*minute, events...), whole.Correlate(at*minute, events...)
		if !reflect.DeepEqual(one, two) {
			t.Fatalf("at minute %d: %+v, and without a restart %+v", at, one, two)
		}
		count += len(one)
		saved.Keep(part.Checkpoint())
	}
	if count <= 6 {
		t.Errorf("said %d changes", count)
	}
	whole.Correlate(1000 * minute)
	last := probe(t)
	if err := last.Restore(stateVersion, &saved); err != nil {
		t.Fatal(err)
	}
	last.Correlate(1000 * minute)
	saved.Keep(last.Checkpoint())
	if left := saved.Entries(); left != nil {
		t.Errorf("left %+v", left)
	}
}

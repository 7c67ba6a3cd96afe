package main

import (
	"math"
	"reflect"
	"testing"

	"orion/plugin"
	"orion/plugin/plugintest"
)

const minute = 60_000

func probe(t *testing.T) *plugintest.Detector {
	t.Helper()
	given := plugin.Parameters{"factor": 3.0, "warmup": int64(3), "weight": 0.5}
	probe, err := plugintest.NewDetector(newSurge(), given)
	if err != nil {
		t.Fatal(err)
	}
	return probe
}

// findings shows three quiet minutes and then these values, and returns what is found in those.
func findings(t *testing.T, probe *plugintest.Detector, values ...float64) (found []plugin.Finding) {
	t.Helper()
	for at := int64(1); at <= 3; at++ {
		if quiet := probe.Observe(at*minute, plugintest.Sample{Value: 10}); quiet != nil {
			t.Fatalf("found %v", quiet)
		}
	}
	for i, value := range values {
		found = append(found, probe.Observe(int64(i+4)*minute, plugintest.Sample{Value: value})...)
	}
	return found
}

func TestAValueFarAboveTheMeanIsFoundWithWhatTheMeanWas(t *testing.T) {
	probe := probe(t)
	probe.Define(0, plugintest.Labels{"instance": "höst", "job": "node"})
	wanted := []plugin.Finding{{
		About: true, Timestamp: 4 * minute, Value: 31, Scored: true, Score: 3.1, Message: "höst is far above its mean",
		Fields: []plugin.Field{{Name: "mean", Value: plugin.Number(10)}, {Name: "samples", Value: plugin.Integer(3)}},
	}}
	if found := findings(t, probe, 31); !reflect.DeepEqual(found, wanted) {
		t.Errorf("found %+v", found)
	}
}

func TestAValueTwiceAsFarIsCriticalAndOneAtTheBoundIsNothing(t *testing.T) {
	if found := findings(t, probe(t), 60.5); len(found) != 1 || found[0].Severity != plugin.Critical {
		t.Errorf("found %+v", found)
	}
	if found := findings(t, probe(t), 30); found != nil {
		t.Errorf("found %+v", found)
	}
}

func TestWhatIsNoNumberAndWhatWasSeenBeforeTeachesNothing(t *testing.T) {
	probe := probe(t)
	if found := findings(t, probe, math.NaN(), math.Inf(1)); found != nil {
		t.Errorf("found %+v", found)
	}
	probe.Observe(3*minute, plugintest.Sample{Value: 1000})
	found := probe.Observe(10*minute, plugintest.Sample{Value: 31})
	if len(found) != 1 || found[0].Fields[1].Value != plugin.Integer(3) || found[0].Message != "a series is far above its mean" {
		t.Errorf("found %+v", found)
	}
}

func TestARestartChangesNothing(t *testing.T) {
	whole, saved := probe(t), plugintest.Saved{}
	for at := int64(1); at < 20; at++ {
		part := probe(t)
		if err := part.Restore(stateVersion, &saved); err != nil {
			t.Fatal(err)
		}
		other := 4.0
		if at%5 == 0 {
			other = 90
		}
		samples := []plugintest.Sample{{ID: 0, Value: float64(at * 7 % 13)}, {ID: 1, Value: other}}
		if one, two := part.Observe(at*minute, samples...), whole.Observe(at*minute, samples...); !reflect.DeepEqual(one, two) {
			t.Fatalf("at minute %d: %+v, and without a restart %+v", at, one, two)
		}
		saved.Keep(part.Checkpoint())
	}
	if count := len(saved.Entries()); count != 2 {
		t.Errorf("%d entries", count)
	}
}

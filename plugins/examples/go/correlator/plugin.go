package main

import (
	"fmt"
	"math"

	"orion/plugin"
	"orion/plugin/correlator"
)

// stateVersion has to be raised, here and in plugin.toml, when the form of group changes.
const stateVersion = 1

const millisPerSecond = 1000

// kept is an event that may become part of an incident.
type kept struct {
	timestamp int64
	position  uint64
}

const keptBytes = 16

// group is what is known of a group.
type group struct {
	open     bool
	severity plugin.Severity
	last     int64
	kept     []kept
}

func (g *group) Write(out *plugin.Writer) {
	out.Flag(g.open)
	out.Uint32(uint32(g.severity))
	out.Int64(g.last)
	out.Uint32(uint32(len(g.kept)))
	for _, event := range g.kept {
		out.Int64(event.timestamp)
		out.Uint64(event.position)
	}
}

func (g *group) Read(from *plugin.Reader) {
	g.open, g.severity, g.last = from.Flag(), plugin.Severity(from.Uint32()), from.Int64()
	for range from.Count(keptBytes) {
		g.kept = append(g.kept, kept{from.Int64(), from.Uint64()})
	}
}

// forget drops what is as old as edge or older. With nothing left the severity starts anew.
func (g *group) forget(edge int64) {
	young := g.kept[:0]
	for _, event := range g.kept {
		if event.timestamp > edge {
			young = append(young, event)
		}
	}
	g.kept = young
	if len(young) == 0 {
		g.severity = plugin.Info
	}
}

// take is the positions of what is kept, which from now on belongs to an incident.
func (g *group) take() []uint64 {
	var positions []uint64
	for _, event := range g.kept {
		positions = append(positions, event.position)
	}
	g.kept = nil
	return positions
}

// Burst finds many events of one group within a short time.
type Burst struct {
	count  int64
	window int64
	quiet  int64
	groups *plugin.State[group, *group]
}

func newBurst() plugin.Correlator {
	return &Burst{groups: plugin.NewState[group](stateVersion)}
}

func (b *Burst) Configure(parameters plugin.Parameters) error {
	b.count = parameters.Integer("count", 3)
	b.window = parameters.Millis("window", 300_000)
	b.quiet = parameters.Millis("quiet", 600_000)
	return nil
}

func (b *Burst) State() plugin.Stateful { return b.groups }

func (b *Burst) Correlate(now int64, events *plugin.Batch, changes *plugin.Changes) {
	for event := range events.Events() {
		if event.Status != plugin.StatusResolved {
			b.take(event, changes)
		}
	}
	for _, key := range b.groups.Keys() {
		b.pass(key, now, changes)
	}
}

func (b *Burst) take(event plugin.Event, changes *plugin.Changes) {
	key, time := event.Key(), event.Timestamp
	group := b.groupAt(key, time, changes)
	if !group.open {
		group.forget(time - b.window)
	}
	group.kept = append(group.kept, kept{time, event.Position})
	group.severity = max(group.severity, event.Severity)
	group.last = max(group.last, time)
	if group.open {
		changes.Emit(plugin.Change{
			Kind: plugin.Updated, Key: key, Severity: group.severity, Timestamp: time,
			Reason: "one more event", Positions: group.take(),
		})
	} else if int64(len(group.kept)) >= b.count {
		changes.Emit(b.opened(key, group, time))
	}
	b.groups.Changed(key)
}

// groupAt is the group of a key; a new one when there is none, or when the one that was open has been quiet for long enough.
func (b *Burst) groupAt(key string, time int64, changes *plugin.Changes) *group {
	known := b.groups.Get(key)
	if known != nil && b.isOver(known, time) {
		b.resolve(key, known, changes)
		known = nil
	}
	if known == nil {
		b.groups.Set(key, group{severity: plugin.Info, last: math.MinInt64})
		known = b.groups.Get(key)
	}
	return known
}

func (b *Burst) opened(key string, group *group, time int64) plugin.Change {
	count := len(group.kept)
	group.open = true
	change := plugin.Change{
		Kind: plugin.Opened, Key: key, Severity: group.severity, Timestamp: time,
		Reason:    fmt.Sprintf("%d events within %d s", count, b.window/millisPerSecond),
		Positions: group.take(),
	}
	change.Add("events", plugin.Integer(count))
	return change
}

// pass is time passing for a group.
func (b *Burst) pass(key string, now int64, changes *plugin.Changes) {
	group := b.groups.Get(key)
	if b.isOver(group, now) {
		b.resolve(key, group, changes)
	} else if !group.open && group.last <= now-b.window {
		b.groups.Delete(key)
	}
}

func (b *Burst) isOver(group *group, time int64) bool {
	return group.open && time-group.last >= b.quiet
}

func (b *Burst) resolve(key string, group *group, changes *plugin.Changes) {
	changes.Emit(plugin.Change{
		Kind: plugin.Resolved, Key: key, Severity: group.severity, Timestamp: group.last + b.quiet,
		Reason: fmt.Sprintf("quiet for %d s", b.quiet/millisPerSecond),
	})
	b.groups.Delete(key)
}

func init() { correlator.Register(newBurst) }

func main() {}

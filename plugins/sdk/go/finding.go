package plugin

// Finding is one thing that a detector saw. At most one for each series and frame.
type Finding struct {
	// About says that it is about Series, and not about the answer as a whole.
	About  bool
	Series SeriesID
	// Severity is left to the rule when it is Unsaid.
	Severity Severity
	// Timestamp is when, in milliseconds.
	Timestamp int64
	// Value is the value that made it.
	Value float64
	// Scored says that Score is there: how unusual it is, for detectors that can tell.
	Scored bool
	Score  float64
	// Message is one sentence for a person; empty leaves it to the rule's annotations.
	Message string
	Fields  []Field
}

// SetScore says how unusual it is.
func (f *Finding) SetScore(score float64) { f.Scored, f.Score = true, score }

// Add adds a further fact.
func (f *Finding) Add(name string, value Scalar) { f.Fields = append(f.Fields, Field{name, value}) }

// Findings is where findings go: to the host, or in a test into a list.
type Findings struct{ emit func(*Finding) }

// NewFindings hands them to emit.
func NewFindings(emit func(*Finding)) *Findings { return &Findings{emit} }

// Emit says it. More than one for each series of the frame and a thousand besides, or one that breaks a limit, ends the call.
func (f *Findings) Emit(finding Finding) { f.emit(&finding) }

// ChangeKind is what a change does to its incident.
type ChangeKind uint8

// Kinds of changes.
const (
	// Opened is for a new incident.
	Opened ChangeKind = iota
	// Updated is for one that grew or got worse.
	Updated
	// Resolved is for one that is over.
	Resolved
)

// Change is a step in the life of the incident that belongs to Key.
type Change struct {
	Kind ChangeKind
	// Key is the group the incident is about: a key of the batch, or one of the correlator's own.
	Key      string
	Severity Severity
	// Timestamp is when, in milliseconds.
	Timestamp int64
	// Reason is why, in a few words.
	Reason string
	// Positions are the bus positions of the events that this change adds to the incident.
	Positions []uint64
	Fields    []Field
}

// Add adds a further fact.
func (c *Change) Add(name string, value Scalar) { c.Fields = append(c.Fields, Field{name, value}) }

// Changes is where changes go: to the host, or in a test into a list.
type Changes struct{ emit func(*Change) }

// NewChanges hands them to emit.
func NewChanges(emit func(*Change)) *Changes { return &Changes{emit} }

// Emit says it. One that breaks a limit ends the call.
func (c *Changes) Emit(change Change) { c.emit(&change) }

package plugin

// Parameters are all that a rule said under `with:`, with the manifest's defaults filled in. A value is a string, float64,
// int64, bool or []string; durations are int64 milliseconds. The host has checked types and bounds, so a value of
// another type than the plugin asks for is as good as none.
type Parameters map[string]any

// Number is a number; otherwise when nothing was said.
func (p Parameters) Number(name string, otherwise float64) float64 { return said(p, name, otherwise) }

// Integer is a whole number; otherwise when nothing was said.
func (p Parameters) Integer(name string, otherwise int64) int64 { return said(p, name, otherwise) }

// Millis is a duration in milliseconds; otherwise when nothing was said.
func (p Parameters) Millis(name string, otherwise int64) int64 { return said(p, name, otherwise) }

// Flag is true or false; otherwise when nothing was said.
func (p Parameters) Flag(name string, otherwise bool) bool { return said(p, name, otherwise) }

// Text is a text; otherwise when nothing was said.
func (p Parameters) Text(name string, otherwise string) string { return said(p, name, otherwise) }

// Texts is a list of texts, or a mapping as names and values in turns; nil when nothing was said.
func (p Parameters) Texts(name string) []string { return said[[]string](p, name, nil) }

func said[T any](p Parameters, name string, otherwise T) T {
	if value, ok := p[name].(T); ok {
		return value
	}
	return otherwise
}

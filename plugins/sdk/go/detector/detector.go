// Package detector makes a plugin of a detector: the main package calls Register in an init function.
package detector

import "orion/plugin"

var makeDetector func() plugin.Detector

// Register says how the plugin's detector is made. Once, in an init function of the main package.
func Register(made func() plugin.Detector) { makeDetector = made }

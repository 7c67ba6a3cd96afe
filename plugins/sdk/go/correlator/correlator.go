// Package correlator makes a plugin of a correlator: the main package calls Register in an init function.
package correlator

import "orion/plugin"

var makeCorrelator func() plugin.Correlator

// Register says how the plugin's correlator is made. Once, in an init function of the main package.
func Register(made func() plugin.Correlator) { makeCorrelator = made }

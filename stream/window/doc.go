// Package window counts the events of a key in sliding windows of event time, and raises an event where there are too
// many: click fraud, login attempts, a sensor that goes mad.
package window

// Package sample lets a part of the events through: all events of a share of the keys, or a number of events of each key
// in an interval.
package sample

// Package calendar is a policy of package scaler that follows a plan: a size for each part of the day, by weekdays and dates,
// on the clocks of one time zone, also on the days when these change. It needs no signals.
//
// [New] refuses a plan with faults, and [Plan.Check] lists them. Use it alone, or as the floor of a scaler.Combined.
package calendar

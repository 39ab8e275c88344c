// Package group is the membership in a consumer group, by which the processes of a job share its lanes out: which lanes this
// one has, and the group's offsets, which are for lag monitors.
package group

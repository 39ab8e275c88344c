// Package group is our membership in a consumer group. The group shares the lanes of a job out among its processes. It also
// keeps offsets for lag monitors.
package group

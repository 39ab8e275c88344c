// Package hours closes the hours of a job, and writes their manifests and seals. Only the goroutine of Maintain uses it, so
// its types need no locks.
package hours

// Package e2e holds tests of whole pipes on real data: files in, sealed hours out, compared with counts that are made
// with nothing of ours.
package e2e

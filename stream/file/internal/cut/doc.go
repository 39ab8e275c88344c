// Package cut cuts a text into records by the rules of a format. It is pure: it neither reads nor keeps anything.
package cut

// Package twin is a Store in another process. [Serve] runs there and makes calls of a Store that it is told over a pipe;
// [Process] is the other end. Errors keep their text and what they match.
package twin

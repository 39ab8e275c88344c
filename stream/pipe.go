package stream

// Pipe is a source followed by stages. It is a description; nothing runs before Run.
type Pipe[T any] struct {
	src Source
	// the engine's part is unexported; see the engine's files
}

package format

// Format says how rows become the bytes of a file. It is safe for concurrent use.
type Format[T any] interface {
	// Ext is the file's extension with its dot, such as ".jsonl".
	Ext() string

	// Open makes an encoder. One encoder serves many files in turn, but is used by one goroutine.
	Open() Encoder[T]
}

// Encoder turns rows into bytes. It appends to dst and returns it, as append does, and must not retain dst or row. A file
// is the bytes of one Header, then those of any number of blocks; blocks may come from different encoders.
type Encoder[T any] interface {
	// Header begins a file; often nothing.
	Header(dst []byte) []byte

	// Encode appends one row. An error says that this row cannot be written in this format. Then the sink takes back what
	// was appended, and sends the row's record to the dead-letter flow. It does the same after a panic, and uses the
	// encoder further.
	Encode(dst []byte, row *T) ([]byte, error)
}

// Blocker is an Encoder whose rows need a frame of their own format around a group of them, as in an Avro container.
// Such a format compresses by itself and is used with codec.None. See Joiner for what merged flows need beside it.
type Blocker interface {
	// Block appends the rows that Encode made, as one block.
	Block(dst, rows []byte, n int) ([]byte, error)
}

// Checker is a Format that can be made wrong, for example without a function that it needs. sink.Open calls Check, and
// refuses the flow if it returns an error.
type Checker interface{ Check() error }

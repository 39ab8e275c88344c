package sink

import "io"

// None stores rows as they are.
const None = noneCodec("")

type noneCodec string

func (noneCodec) Ext() string { return "" }

// FrameBytes has no meaning for None but how much a worker gathers before it writes.
func (noneCodec) FrameBytes() int { return 256 << 10 }

func (noneCodec) New() Compressor { return &noneWriter{w: io.Discard} }

type noneWriter struct{ w io.Writer }

func (n *noneWriter) Reset(w io.Writer)           { n.w = w }
func (n *noneWriter) Write(p []byte) (int, error) { return n.w.Write(p) }
func (n *noneWriter) Close() error                { return nil }

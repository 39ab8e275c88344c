package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
	"github.com/onceflow/onceflow/stream/file"
)

// click is an event of the generated clickstream.
type click struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Visitor  string    `json:"visitor"`
	Session  string    `json:"session"`
	Page     string    `json:"page"`
	Referrer string    `json:"referrer,omitempty"`
	Country  string    `json:"country"`
	Agent    string    `json:"agent"`
	Millis   int       `json:"ms"`
}

func parseClick(r *stream.Record) (c click, err error) {
	err = json.Unmarshal(r.Value, &c) // an error sends the line to the dead-letter flow
	return c, err
}

func (c *click) eventTime() time.Time { return c.Time }
func (c *click) isView() bool         { return c.Kind == "view" }
func (c *click) isClick() bool        { return c.Kind == "click" }

func runClicks(ctx context.Context, o *options, out io.Writer, terminal *os.File) error {
	in := o.out + "-input"
	if err := generate(in, o.seed, o.events); err != nil {
		return fmt.Errorf("cannot make the clickstream: %w", err)
	}
	fmt.Fprintf(out, "%s: a clickstream of %d events in %d files\n", in, o.events, partitions)
	src, err := file.Open(file.Config{Dir: in}, &file.Options{Name: "clickstream"})
	if err != nil {
		return err
	}
	defer src.Close()
	clicks := stream.Via(stream.From(src), stream.Decode(parseClick, (*click).eventTime))
	return runJob(ctx, o, "clickstream", clicks, []sink.Flow[click]{
		{Name: "views", Where: (*click).isView, Format: format.JSONLines[click](), Codec: o.codec},
		{Name: "clicks", Where: (*click).isClick, Format: format.JSONLines[click](), Codec: o.codec},
	}, terminal)
}

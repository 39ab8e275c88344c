package main

import (
	"github.com/onceflow/onceflow/sink"
	"github.com/onceflow/onceflow/sink/avro"
	"github.com/onceflow/onceflow/sink/codec"
	"github.com/onceflow/onceflow/sink/format"
	"github.com/onceflow/onceflow/stream"
)

const pageSchema = `{"type": "record", "name": "page", "fields": [
	{"name": "id", "type": "string"},
	{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
	{"name": "url", "type": "string"},
	{"name": "seconds", "type": "double"},
	{"name": "country", "type": "string"}
]}`

// flows are the six outputs.
func flows() ([]sink.Flow[Hit], error) {
	pages, err := avro.New[Hit](pageSchema, &avro.Options{Codec: avro.Zstandard})
	if err != nil {
		return nil, err
	}
	return []sink.Flow[Hit]{
		{Name: "pages", Where: (*Hit).isLoad, Format: pages},
		{Name: "reads", Where: (*Hit).wasRead, Format: format.JSONLines[Hit](), Codec: codec.Zstd},
		{Name: "clicks", Where: stream.Is((*Hit).kind, "click"), Format: format.TSV(clickColumns, clickRow), Codec: codec.Gzip},
		{Name: "ads", Where: stream.Is((*Hit).kind, "ad"), Format: format.TSV(clickColumns, clickRow), Codec: codec.Gzip,
			Keys: []sink.Key[Hit]{{Name: "advertiser", Value: (*Hit).advertiser}}},
		{Name: "geo", Format: format.TSV(geoColumns, geoRow), Codec: codec.Snappy},
		{Name: "all", Format: format.JSONLines[Hit]()},
	}, nil
}

package kinesis

import "context"

func (s *Source) register(context.Context) error { return nil }

func (r *reader) subscribe(context.Context) error { return nil }

package parquet

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// options are those in a field's tag, with what is in their brackets.
type options map[string]string

func parseOptions(s string) (options, error) {
	o := options{}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, args, brackets := strings.Cut(part, "(")
		if brackets && !strings.HasSuffix(args, ")") {
			return nil, fmt.Errorf("the option %q has no end", part)
		}
		if o.has(name) {
			return nil, fmt.Errorf("the option %s is there twice", name)
		}
		o[name] = strings.TrimSuffix(args, ")")
	}
	return o, nil
}

func (o options) has(name string) bool {
	_, ok := o[name]
	return ok
}

// take tells whether there is an option, and forgets it.
func (o options) take(name string) bool {
	ok := o.has(name)
	delete(o, name)
	return ok
}

// none is an error if there are options left.
func (o options) none() error {
	if len(o) == 0 {
		return nil
	}
	return fmt.Errorf("the options %s are unknown, or not for its type; the codec is that of Options", strings.Join(slices.Sorted(maps.Keys(o)), ", "))
}

// decimal takes the option of this name.
func (o options) decimal(most int) (scale, precision int, err error) {
	args := o["decimal"]
	delete(o, "decimal")
	s, p, _ := strings.Cut(args, ":")
	scale, err = strconv.Atoi(s)
	if err == nil {
		precision, err = strconv.Atoi(p)
	}
	if err != nil || scale < 0 || precision < 1 || precision > most || scale > precision {
		return 0, 0, fmt.Errorf("decimal(%s) is not decimal(scale:precision) with 0 <= scale <= precision <= %d", args, most)
	}
	return scale, precision, nil
}

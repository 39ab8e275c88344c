package argocd

import (
	"fmt"
	"regexp"
	"strings"
)

// location is where a value is in a file.
type location struct {
	from, to int // bytes of the value, quotes included
	scalar   scalar
}

var (
	keyLine = regexp.MustCompile(`^( *)("[^"]*"|'[^']*'|[^\s"'#&*!|>%@{}\[\],-][^:#"']*?) *:(?:[ \t]+(.*))?$`)
	plain   = regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`)
)

// frame is a key, or a list's dash, that the lines below are in.
type frame struct {
	indent int
	key    string
}

// locate finds the number at a path of keys in a file of YAML. It reads block mappings only, and changes nothing but the
// number itself: comments, order and layout stay. What it does not understand it refuses, so that it never changes a line
// that only looks right.
func locate(text string, path []string) (found location, err error) {
	var stack []frame
	skip := -1 // lines that are indented deeper belong to a value that began above
	times, offset := 0, 0
	for line := range strings.Lines(text) {
		start := offset
		offset += len(line)
		line = strings.TrimRight(line, "\r\n")
		content := strings.TrimLeft(line, " ")
		indent := len(line) - len(content)
		if content == "" || content[0] == '#' || skip >= 0 && indent > skip {
			continue
		}
		skip = -1
		switch {
		case content[0] == '\t':
			return found, fmt.Errorf("line %q is indented by a tab", line)
		case strings.HasPrefix(content, "---") && !onlyComments(text[:start]):
			return found, fmt.Errorf("the file has several documents")
		}
		for len(stack) > 0 && stack[len(stack)-1].indent >= indent {
			stack = stack[:len(stack)-1]
		}
		if content == "-" || strings.HasPrefix(content, "- ") {
			stack = append(stack, frame{indent, "-"})
			continue
		}
		m := keyLine.FindStringSubmatchIndex(line)
		if m == nil {
			continue
		}
		stack = append(stack, frame{indent, strings.Trim(line[m[4]:m[5]], `"'`)})
		value := ""
		if m[6] >= 0 {
			value = line[m[6]:m[7]]
		}
		if opensNothing(value) {
			continue
		}
		skip = indent
		if !matches(stack, path) {
			continue
		}
		times++
		s, length, err := parseScalar(value)
		if err != nil {
			return found, fmt.Errorf("%s: %w", strings.Join(path, "."), err)
		}
		found = location{start + m[6], start + m[6] + length, s}
	}
	switch {
	case times == 0:
		return found, fmt.Errorf("there is no number at %s", strings.Join(path, "."))
	case times > 1:
		return found, fmt.Errorf("%s is there %d times", strings.Join(path, "."), times)
	}
	return found, nil
}

func onlyComments(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '%' {
			return false
		}
	}
	return true
}

// opensNothing reports whether a key has no value on its line, so that the deeper lines are its mapping.
func opensNothing(value string) bool {
	value = strings.TrimSpace(value)
	return value == "" || value[0] == '#' || (value[0] == '&' || value[0] == '!') && !strings.Contains(value, " ")
}

func matches(stack []frame, path []string) bool {
	if len(stack) != len(path) {
		return false
	}
	for i, f := range stack {
		if f.key != path[i] {
			return false
		}
	}
	return true
}

// parseScalar reads a plain or quoted number at the beginning of a value, and tells its length.
func parseScalar(value string) (scalar, int, error) {
	text, _, _ := strings.Cut(value, " #")
	text = strings.TrimRight(text, " \t")
	if len(text) >= 2 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0] && plain.MatchString(text[1:len(text)-1]) {
		return scalar{text[1 : len(text)-1], text[0]}, len(text), nil
	}
	if !plain.MatchString(text) {
		return scalar{}, 0, fmt.Errorf("%q is not a plain number", text)
	}
	return scalar{text: text}, len(text), nil
}

// replace puts another number in the place of one.
func (l location) replace(text, number string) string {
	return text[:l.from] + scalar{number, l.scalar.quote}.String() + text[l.to:]
}

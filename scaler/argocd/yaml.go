package argocd

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

var plain = regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`)

// location is where a value is in a file.
type location struct {
	from, to int // bytes of the value, quotes included
	scalar   scalar
}

// locate finds the number at a path of keys in a file of YAML. It says where the bytes of the number are, so that a change
// touches nothing else: to write the parsed file again would lose layout and some comments. It refuses a number that other
// places of the file share, or that is written in a way which a number in its place might not fit.
func locate(text string, path []string) (location, error) {
	node, err := document(text)
	if err != nil {
		return location{}, err
	}
	name := strings.Join(path, ".")
	for _, key := range path {
		if node, err = valueOf(node, key); err != nil {
			return location{}, fmt.Errorf("there is no number at %s: %w", name, err)
		}
	}
	notPlain := fmt.Errorf("%s in line %d is not a plain number", name, node.Line)
	if node.Kind != yaml.ScalarNode || node.Style&^(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 || !plain.MatchString(node.Value) {
		return location{}, notPlain
	}
	found := location{scalar: scalar{text: node.Value}}
	switch {
	case node.Style&yaml.DoubleQuotedStyle != 0:
		found.scalar.quote = '"'
	case node.Style&yaml.SingleQuotedStyle != 0:
		found.scalar.quote = '\''
	}
	if found.from, err = offset(text, node); err != nil {
		return location{}, fmt.Errorf("%s: %w", name, err)
	}
	found.to = found.from + len(found.scalar.String())
	if !strings.HasPrefix(text[found.from:], found.scalar.String()) {
		return location{}, notPlain // escaped, for instance
	}
	return found, nil
}

// document parses the only document of a file.
func document(text string) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errors.New("the file has several documents"), err)
	}
	return doc.Content[0], nil
}

// valueOf is the value of a key of node itself. What node has from elsewhere, by an alias, counts as missing: a change there
// would change other places too.
func valueOf(node *yaml.Node, key string) (found *yaml.Node, err error) {
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d has no keys of its own", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if k := node.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
			if found != nil {
				return nil, fmt.Errorf("%q is there twice, in lines %d and %d", key, found.Line, k.Line)
			}
			found = node.Content[i+1]
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no key %q from line %d on", key, node.Line)
	}
	return found, nil
}

// offset is the byte at which a value begins, behind its anchor if it has one. The parser counts lines and characters.
func offset(text string, node *yaml.Node) (int, error) {
	at := 0
	if strings.HasPrefix(text, "\ufeff") {
		at = len("\ufeff")
	}
	for range node.Line - 1 {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, fmt.Errorf("the file has fewer than %d lines", node.Line)
		}
		at += i + 1
	}
	for range node.Column - 1 {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	if node.Anchor != "" {
		rest, ok := strings.CutPrefix(text[at:], "&"+node.Anchor)
		if !ok {
			return 0, fmt.Errorf("line %d: the anchor %q is not before the number", node.Line, node.Anchor)
		}
		for {
			rest = strings.TrimLeft(rest, " \t\r\n")
			if !strings.HasPrefix(rest, "#") { // else a comment stands between the anchor and the number
				return len(text) - len(rest), nil
			}
			_, rest, _ = strings.Cut(rest, "\n")
		}
	}
	return at, nil
}

// keysOf splits a path at its dots. As in Helm's --set, a dot within a key is written as \. there.
func keysOf(path string) (keys []string) {
	key := ""
	for {
		before, rest, more := strings.Cut(path, ".")
		if head, escaped := strings.CutSuffix(before, `\`); escaped && more {
			key, path = key+head+".", rest
			continue
		}
		keys = append(keys, key+before)
		if !more {
			return keys
		}
		key, path = "", rest
	}
}

// replace puts another number in the place of one. What else the file says must be the same behind it.
func (l location) replace(text, number string) (string, error) {
	changed := text[:l.from] + scalar{number, l.scalar.quote}.String() + text[l.to:]
	before, err := document(text)
	if err != nil {
		return "", err
	}
	after, err := document(changed)
	if err != nil {
		return "", fmt.Errorf("with %s in the place of %s: %w", number, l.scalar, err)
	}
	if n := differences(before, after); n > 1 {
		return "", fmt.Errorf("%s in the place of %s would change %d values", number, l.scalar, n)
	}
	return changed, nil
}

// differences counts the values in which two files differ.
func differences(a, b *yaml.Node) (n int) {
	if a.Kind != b.Kind || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) ||
		a.HeadComment != b.HeadComment || a.LineComment != b.LineComment || a.FootComment != b.FootComment {
		n++
	}
	for i := range min(len(a.Content), len(b.Content)) {
		n += differences(a.Content[i], b.Content[i])
	}
	return n
}

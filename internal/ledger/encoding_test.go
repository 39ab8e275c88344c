package ledger

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onceflow/onceflow/stream/driver"
	"github.com/onceflow/onceflow/stream/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// object is one kind of control object, with its decoder.
type object struct {
	name   string
	body   []byte
	decode func([]byte) error
}

// objects returns one of each kind, with everything set that can be.
func objects(t testing.TB) []object {
	s := newState(t)
	g, err := s.Genesis.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out := []object{{"genesis", g, func(b []byte) error { _, err := DecodeGenesis(b); return err }}}
	add := func(name string, e *Entry) {
		s.Prepare(e)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(name, err)
		}
		id := e.ID
		out = append(out, object{name, body, func(b []byte) error { _, err := Decode(id, b); return err }})
		d, err := Decode(id, body)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := s.Fold(d, HashOf(body)); err != nil {
			t.Fatal(name, err)
		}
	}
	add("config", &Entry{Kind: KindConfig, Token: token(2), Config: &Config{Generation: 1, Topics: []string{"clicks", "hits"}}})
	full := lane(s, "a", 90, clock("10:20"), clock("10:00")).pending(clock("10:00").Add(time.Nanosecond), 40, 42, 90)
	full.Partitions[0].Progress.Arrived = clock("10:25")
	full.Partitions[0].Progress.Jump = driver.Jump{To: clock("10:41"), Newest: clock("10:59"), Records: 3}
	full.Partitions[0].Counts = record.Counts{80, 1, 2, 1, 2, 1}
	kinesis := lane(s, "shard", 0, clock("10:20"), clock("10:05"))
	p := &kinesis.Partitions[0]
	p.Progress.UpTo = record.Position{Seq: "49590338271490256608559692538361571095921575989136588898", Sub: 1}
	p.Progress.Ended, p.Progress.Children = true, []record.Partition{part("shard-2"), part("shard-3")}
	p.Read, p.Counts[record.Written] = 7, 7
	c := commit(full, kinesis).files(clock("09:00"), clock("10:00"))
	c.Commit.Files = append(c.Commit.Files, File{Flow: "views", Kind: LateFile, Hour: clock("03:00"), Key: "z<&>é\u2028", Offset: 5, Length: 1, Rows: 1, CRC32C: 77})
	c.Commit.Reasons = []Reason{{"filtered", "bot", 2}, {"duplicate", "d", 1}, {"dead", "decode: é <&>", 1}}
	c.Commit.LateDropped = []FlowRows{{"clicks", 3}}
	add("commit", c)
	add("mark", mark(2))
	add("retire", retire(s, "shard", "shard-2"))
	end := closing(clock("09:00"), clock("10:00"), clock("10:15"), part("a"))
	end.Close.Generation = 1
	add("close", end)
	other := lane(s, "a", 91, clock("10:20"), clock("10:00")).pending(clock("10:00"), 90)
	other.Partitions[0].Progress.Pending, other.Partitions[0].PendingBlob = driver.PendingSet{}, NewBlob("blobs/x-0", []byte("pending"))
	blobs := commit(other)
	blobs.Sealed, blobs.Published = clock("10:00"), nil
	blobs.Commit.FilesBlob = NewBlob("blobs/x-1", []byte("files"))
	blobs.Commit.Hours = []HourSum{{clock("10:00"), 2000, 3, 4, 0}}
	add("commit-blobs", blobs)

	snap, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, object{"snapshot", snap, func(b []byte) error {
		_, err := DecodeState(s.Genesis, s.GenesisHash, s.Last, b)
		return err
	}})
	owner, err := (&Owner{Lanes: []OwnerLane{{Lane: "a", Token: token(1), Index: 3}, {Lane: "b", Token: token(2), Index: 3}}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, object{"owner", owner, func(b []byte) error { _, err := DecodeOwner(b); return err }})
	claim, err := (&FlowClaim{Flow: "views", Job: "etl"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, object{"flow", claim, func(b []byte) error { _, err := DecodeFlowClaim(b); return err }})
	files, err := EncodeFiles(c.Commit.Files)
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, object{"blob-files", files, func(b []byte) error { _, err := DecodeFiles(NewBlob("k", b), b); return err }})
	pending, want := pendingBlob(t)
	out = append(out, object{"blob-pending", pending, func(b []byte) error {
		sets, err := DecodePending(NewBlob("k", b), b)
		if err != nil || !bytes.Equal(b, pending) {
			return err
		}
		set := driver.PendingSet{}
		for i, at := range []int{0, 1} { // the second is a step from the first
			if set, err = sets.Set(&Blob{At: at}, set); err != nil || !reflect.DeepEqual(set, want[i]) {
				t.Errorf("pending set %d: got %v, want %v (%v)", at, set, want[i], err)
			}
		}
		return nil
	}})
	return out
}

// Ledgers outlive programs: what was written once must be read for ever, and written again byte by byte.
func TestGoldenObjects(t *testing.T) {
	for _, o := range objects(t) {
		file := filepath.Join("testdata", o.name+".golden")
		if *update {
			if err := os.WriteFile(file, o.body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(o.body, want) {
			t.Errorf("%s: got\n%swant\n%s", o.name, o.body, want)
		}
		if err := o.decode(want); err != nil {
			t.Errorf("%s: %v", o.name, err)
		}
	}
}

func TestEveryFlippedByteIsDetected(t *testing.T) {
	for _, o := range objects(t) {
		for i := range o.body {
			for _, mask := range []byte{1, 0x80} {
				bad := bytes.Clone(o.body)
				bad[i] ^= mask
				var c *CorruptError
				if err := o.decode(bad); !errors.As(err, &c) {
					t.Fatalf("%s with byte %d ^ %#x: got %v, want a *CorruptError", o.name, i, mask, err)
				}
			}
		}
	}
}

func TestEveryTruncationIsDetected(t *testing.T) {
	for _, o := range objects(t) {
		for i := range o.body {
			if err := o.decode(o.body[:i]); err == nil {
				t.Fatalf("%s cut to %d bytes is read", o.name, i)
			}
		}
		if err := o.decode(append(bytes.Clone(o.body), '\n')); err == nil {
			t.Errorf("%s with a byte more is read", o.name)
		}
	}
}

// resign gives an object that was changed on purpose a right checksum.
func resign(body []byte, old, new string) []byte {
	line := body[:len(body)-trailerLen]
	changed := strings.Replace(string(line), old, new, 1)
	return []byte(changed + trailerPrefix + string(HashOf([]byte(changed))) + "\n")
}

// An object has one form only, so no field can be smuggled past a check.
func TestOtherFormsOfAnObjectAreRefused(t *testing.T) {
	for _, o := range objects(t) {
		if strings.HasPrefix(o.name, "blob-") {
			continue // the hash in the entry is checked first
		}
		for what, c := range map[string][2]string{
			"an unknown field":      {`{"format":1`, `{"extra":1,"format":1`},
			"an unknown last field": {"}\n", ",\"extra\":1}\n"},
			"a field twice":         {`{"format":1`, `{"format":1,"format":1`},
			"another case":          {`"min_reader"`, `"Min_Reader"`},
			"a space":               {`{"format":1`, `{ "format":1`},
			"a trailing space":      {"}\n", "} \n"},
			"two lines":             {`{"format":1`, "{\n\"format\":1"},
			"a second value":        {"}\n", "}{}\n"},
			"an empty field":        {"}\n", ",\"published\":[]}\n"},
			"a null":                {"}\n", ",\"sealed\":null}\n"},
			"format 0":              {`{"format":1`, `{"format":0`},
			"not an object":         {`{"format":1`, `[{"format":1`},
		} {
			var corrupt *CorruptError
			if err := o.decode(resign(o.body, c[0], c[1])); !errors.As(err, &corrupt) {
				t.Errorf("%s with %s: got %v, want a *CorruptError", o.name, what, err)
			}
		}
	}
}

// The version is looked at before anything else, since all else may have another meaning.
func TestNewerObjectsAreRefusedByVersion(t *testing.T) {
	for _, o := range objects(t) {
		if strings.HasPrefix(o.name, "blob-") {
			continue
		}
		var v *VersionError
		newer := resign(o.body, `{"format":1,"min_reader":1`, `{"format":3,"min_reader":3,"new":{}`)
		if err := o.decode(newer); !errors.As(err, &v) || v.MinReader != 3 {
			t.Errorf("%s of format 3: got %v, want a *VersionError", o.name, err)
		}
		readable := resign(o.body, `{"format":1,"min_reader":1`, `{"format":3,"min_reader":1,"new":{}`)
		if err := o.decode(readable); err != nil {
			t.Errorf("%s of format 3 that readers of format 1 may read: %v", o.name, err)
		}
	}
	for _, kind := range []Kind{"nop", "replace", "repair", "end", "surprise"} {
		e := mark(1)
		e.Format, e.MinReader, e.ID, e.Prev = 1, 1, 2, HashOf(nil)
		body, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var v *VersionError
		_, err = Decode(2, resign(body, `"kind":"mark"`, `"kind":"`+string(kind)+`","new":{}`))
		if !errors.As(err, &v) || v.Kind != kind {
			t.Errorf("kind %q: got %v, want a *VersionError", kind, err)
		}
	}
}

func TestGenesisOfAnotherLayoutNeedsANewerVersion(t *testing.T) {
	g := testGenesis()
	body, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for old, new := range map[string]string{`"hive2"`: `"flat2"`, `"shards":1`: `"shards":4`, `"single"`: `"hash"`} {
		var v *VersionError
		if _, err := DecodeGenesis(resign(body, old, new)); !errors.As(err, &v) {
			t.Errorf("genesis with %s: got %v, want a *VersionError", new, err)
		}
	}
	for what, spoil := range map[string]func(*Genesis){
		"an hour that does not divide the day": func(g *Genesis) { g.Hour = 7 * time.Hour },
		"an hour of seconds":                   func(g *Genesis) { g.Hour = 30 * time.Second },
		"no hour":                              func(g *Genesis) { g.Hour = 0 },
		"a start inside an hour":               func(g *Genesis) { g.Start = clock("09:30") },
		"no job":                               func(g *Genesis) { g.Job = "" },
		"no source":                            func(g *Genesis) { g.Source = "" },
		"epoch 0":                              func(g *Genesis) { g.Epoch = 0 },
	} {
		g := testGenesis()
		spoil(&g)
		if _, err := g.Encode(); err == nil {
			t.Errorf("genesis with %s is written", what)
		}
	}
}

// A reader in another language is written from docs/format.md, so that has to know every field.
func TestFormatDocumentNamesEveryField(t *testing.T) {
	doc, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	var fields func(reflect.Type)
	maxTime := map[reflect.Type]bool{}
	fields = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || maxTime[typ] || typ == reflect.TypeFor[time.Time]() {
			return
		}
		maxTime[typ] = true
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" && !f.Anonymous {
				t.Errorf("%s.%s has no name in the object", typ, f.Name)
			}
			if name != "" && !bytes.Contains(doc, []byte("`"+name+"`")) {
				t.Errorf("docs/format.md does not tell of %q, which is %s.%s", name, typ, f.Name)
			}
			fields(f.Type)
		}
	}
	for _, v := range []any{entryJSON{}, Genesis{}, ownerJSON{}, snapshotJSON{}, filesJSON{}, pendingBlobJSON{}, bodyBlobJSON{}, chunkJSON{}, mergedJSON{}} {
		fields(reflect.TypeOf(v))
	}
}

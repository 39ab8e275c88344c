package ledger

import (
	"errors"
	"fmt"
	"time"
)

// Genesis is the object that starts an epoch of a job's ledger. Only a new epoch can change what it says.
type Genesis struct {
	Format    int           `json:"format"`
	MinReader int           `json:"min_reader"`
	Job       string        `json:"job"`
	Epoch     int           `json:"epoch"`
	Hour      time.Duration `json:"hour_ns"`        // length of an hour
	Layout    string        `json:"layout"`         // of keys: "hive1"
	Start     time.Time     `json:"start,omitzero"` // first hour to close; zero: see State.NextHour
	Source    string        `json:"source"`         // driver.SourceInfo.ID
	Shards    int           `json:"shards"`         // 1
	Shard     string        `json:"shard"`          // how lanes are spread over shards: "single"
	Created   time.Time     `json:"created"`
	Token     Token         `json:"token"`
}

// The only values of Genesis.Layout, Shards and Shard so far. Others need a newer version.
const (
	LayoutHive2 = "hive2" // "hive1" escaped all characters beyond ASCII
	ShardSingle = "single"
)

// HourOf returns the start of the hour that t is in, UTC.
func (g *Genesis) HourOf(t time.Time) time.Time { return t.UTC().Truncate(g.Hour) }

// Hours is how many whole hours lie between two times, which count without their fractions of a second; mostly they are
// borders of hours. time.Time.Sub ends at 292 years.
func (g *Genesis) Hours(from, through time.Time) int64 {
	return (through.Unix() - from.Unix()) / int64(g.Hour/time.Second)
}

// Border returns the border of hours that is n hours behind from.
func (g *Genesis) Border(from time.Time, n int64) time.Time {
	return time.Unix(from.Unix()+n*int64(g.Hour/time.Second), 0).UTC()
}

func (g *Genesis) check() error {
	var errs []error
	if g.Hour < time.Minute || (24*time.Hour)%g.Hour != 0 || g.Hour%time.Minute != 0 {
		errs = append(errs, fmt.Errorf("hour of %s is not made of minutes or does not divide the day", g.Hour))
	} else if !g.Start.IsZero() && !g.HourOf(g.Start).Equal(g.Start) {
		errs = append(errs, fmt.Errorf("start %s is not the start of an hour of %s", g.Start, g.Hour))
	}
	if g.Epoch < 1 {
		errs = append(errs, fmt.Errorf("epoch %d", g.Epoch))
	}
	return errors.Join(append(errs, checkVersion(g.Format, g.MinReader), checkName("job", g.Job),
		checkName("source", g.Source), checkName("layout", g.Layout), checkName("shard", g.Shard), checkUTC("start", g.Start),
		checkUTC("created", g.Created), checkToken(g.Token))...)
}

// Encode returns the object of g.
func (g *Genesis) Encode() ([]byte, error) {
	if err := g.check(); err != nil {
		return nil, fmt.Errorf("ledger: genesis: %w", err)
	}
	body, err := pack(g)
	if err == nil && len(body) > MaxGenesis {
		err = fmt.Errorf("%w: genesis of %d bytes", ErrTooLong, len(body))
	}
	return body, err
}

// DecodeGenesis reads a genesis object. The error is a *VersionError if a newer version is needed, else a *CorruptError.
func DecodeGenesis(body []byte) (*Genesis, error) {
	const object = "genesis"
	g := new(Genesis)
	h, err := open(object, body, MaxGenesis, g)
	if err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		return nil, corrupt(object, "%v", err)
	}
	if g.Layout != LayoutHive2 || g.Shards != 1 || g.Shard != ShardSingle {
		what := fmt.Sprintf("layout %q, %d shards %q", g.Layout, g.Shards, g.Shard)
		return nil, &VersionError{Object: object, Format: g.Format, MinReader: g.MinReader, Feature: what}
	}
	return g, canonical(object, body, h, func() ([]byte, error) { return pack(g) })
}

package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/onceflow/onceflow/internal/env"
	"github.com/onceflow/onceflow/internal/ledger"
	"github.com/onceflow/onceflow/sink/internal/retry"
)

// Epoch is the only one so far.
const Epoch = 1

// Control is the folder of all control objects, relative to the prefix of a job.
const Control = "_onceflow/"

// Folder is where the ledger of a job lies, whether it has begun or not. It is immutable.
type Folder struct {
	Objects     *Objects
	Prefix, Job string
}

// NewFolder returns that of a job.
func NewFolder(store *retry.Store, e *env.Env, prefix, job string) *Folder {
	return &Folder{&Objects{store, e, ledger.Root(prefix, job, Epoch)}, prefix, job}
}

// Probes is the folder of the objects by which a store is tried out.
func (f *Folder) Probes() string { return f.Prefix + Control + f.Job + "/probe/" }

// Genesis reads the genesis object; nil if there is none.
func (f *Folder) Genesis(ctx context.Context) (*ledger.Genesis, ledger.Hash, error) {
	body, err := f.Objects.Store.Read(ctx, f.Objects.Root+ledger.GenesisName, ledger.MaxGenesis)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read genesis: %w", err)
	}
	g, err := ledger.DecodeGenesis(body)
	return g, ledger.HashOf(body), err
}

// Beginning reads the genesis object; nil if the ledger has not begun. The error is a *ledger.LostError if it is missing
// while objects exist that are written after it only.
func (f *Folder) Beginning(ctx context.Context) (*ledger.Genesis, ledger.Hash, error) {
	g, hash, err := f.Genesis(ctx)
	if g != nil || err != nil {
		return g, hash, err
	}
	found, err := f.Objects.firstKey(ctx, f.Objects.Root, "", ledger.Later)
	if err != nil || found == "" {
		return nil, "", err
	}
	if g, hash, err = f.Genesis(ctx); g != nil || err != nil { // it may be another instance's that begins now
		return g, hash, err
	}
	return nil, "", &ledger.LostError{Job: f.Job, Found: found, Missing: f.Objects.Root + ledger.GenesisName}
}

// Begun is Beginning for callers that need a genesis. The error matches fs.ErrNotExist if the job has not begun.
func (f *Folder) Begun(ctx context.Context) (*ledger.Genesis, ledger.Hash, error) {
	g, hash, err := f.Beginning(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("sink: job %q: %w", f.Job, err)
	}
	if g == nil {
		return nil, "", fmt.Errorf("sink: there is no job %q below %q: %w", f.Job, f.Prefix, fs.ErrNotExist)
	}
	return g, hash, nil
}

// Begin creates the genesis object. If another instance was faster it reads that one's.
func (f *Folder) Begin(ctx context.Context, g *ledger.Genesis) (*ledger.Genesis, ledger.Hash, error) {
	body, err := g.Encode()
	if err != nil {
		return nil, "", err
	}
	if err := f.Objects.Store.Create(ctx, f.Objects.Root+ledger.GenesisName, body); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, "", fmt.Errorf("create genesis: %w", err)
	}
	g, hash, err := f.Genesis(ctx)
	if err == nil && g == nil {
		err = errors.New("the genesis object is not there after its creation: the store does not keep its contract")
	}
	return g, hash, err
}

// Strangers refuses a folder in which another job has begun. It looks for the first key after each job's control objects,
// so it costs a request for each job. A job that has only probed the store has not begun.
func (f *Folder) Strangers(ctx context.Context) error {
	control := f.Prefix + Control
	for after := ledger.FlowClaims(f.Prefix) + "~"; ; { // "~" is behind all that names of flows are made of
		found, err := f.Objects.firstKey(ctx, control, after, ofJob)
		if err != nil || found == "" {
			return err
		}
		job, _, _ := strings.Cut(found[len(control):], "/")
		other := ""
		if job != f.Job {
			if other, err = f.Objects.firstKey(ctx, ledger.Root(f.Prefix, job, Epoch), "", begun); err != nil {
				return err
			}
		}
		if other != "" {
			return fmt.Errorf("the folder %q is the output of the job %q: choose another Options.Prefix, use that job's name, "+
				"or set Options.Shared in all jobs that write there", f.Prefix, job)
		}
		after = control + job + "0" // "0" is the character behind "/"
	}
}

// ofJob reports whether a name in the folder of control objects lies in that of a job.
func ofJob(name string) bool { return strings.Contains(name, "/") }

// begun reports whether a name, relative to the root of a ledger, is of an object that makes it a ledger.
func begun(name string) bool { return name == ledger.GenesisName || ledger.Later(name) }

// ours is how the files of flows are named.
var ours = regexp.MustCompile(`^([0-9a-f]{26}-[0-9]+|m[0-9a-f]{40}-[0-9a-f]+)-[0-9]+(\.|$)`)

// CheckData refuses to begin a ledger in a folder with files that such a job has published. All its control objects are
// gone, and the source would be read into the same folder once more. Files of other programs do not matter.
func (f *Folder) CheckData(ctx context.Context, flows []string) error {
	const most = 1000 // objects that are looked at for each flow: a page of a listing
	return f.Objects.Env.Each(ctx, len(flows), func(ctx context.Context, i int) error {
		folder, n := f.Prefix+flows[i]+"/day=", 0
		for o, err := range f.Objects.Store.List(ctx, folder, "") {
			if err != nil {
				return fmt.Errorf("sink: list %s: %w", folder, err)
			}
			if ours.MatchString(path.Base(o.Key)) {
				return &ledger.LostError{Job: f.Job, Found: o.Key, Missing: "the ledger of a job that has written it"}
			}
			if n++; n == most {
				break
			}
		}
		return nil
	})
}

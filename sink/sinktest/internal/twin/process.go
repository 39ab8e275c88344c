package twin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"sync"
	"time"

	storage "github.com/onceflow/onceflow/sink/driver"
)

// Process is a Store whose calls another process makes. It is safe for concurrent use. The end of a context ends the wait
// for a reply, not the call.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when no reply comes any more

	mu      sync.Mutex
	in      io.WriteCloser
	last    int
	waiting map[int]chan reply
}

var _ storage.Store = (*Process)(nil)

// Start starts cmd, which must call Serve with its standard input and output, and waits until its Store is open.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{}), waiting: map[int]chan reply{}}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	ready := p.wait(0)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.listen(out)
	if _, err := p.hear(context.Background(), ready); err != nil {
		p.Kill()
		return nil, fmt.Errorf("the second process: %w", err)
	}
	return p, nil
}

// Kill ends the process at once, as SIGKILL does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	_ = p.cmd.Wait()
}

// Close ends the process in good order.
func (p *Process) Close() error {
	if err := p.in.Close(); err != nil {
		return err
	}
	<-p.ended
	return p.cmd.Wait()
}

func (p *Process) listen(out io.Reader) {
	defer close(p.ended)
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		text, ok := bytes.CutPrefix(line, []byte(mark))
		if !ok {
			continue
		}
		var got reply
		if json.Unmarshal(text, &got) != nil {
			return // cut in the middle
		}
		p.mu.Lock()
		c := p.waiting[got.ID]
		delete(p.waiting, got.ID)
		p.mu.Unlock()
		if c != nil {
			c <- got
		}
	}
}

// wait needs p.mu, but for Start.
func (p *Process) wait(id int) chan reply {
	c := make(chan reply, 1)
	p.waiting[id] = c
	return c
}

func (p *Process) hear(ctx context.Context, c chan reply) (reply, error) {
	select {
	case r := <-c:
		return r, r.err()
	case <-p.ended:
		return reply{}, errors.New("the second process has ended")
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
}

func (p *Process) call(ctx context.Context, q request) (reply, error) {
	p.mu.Lock()
	p.last++
	q.ID = p.last
	c := p.wait(q.ID)
	err := json.NewEncoder(p.in).Encode(q)
	p.mu.Unlock()
	if err != nil {
		return reply{}, fmt.Errorf("the second process: %w", err)
	}
	return p.hear(ctx, c)
}

// Create creates there.
func (p *Process) Create(ctx context.Context, key string, body []byte) error {
	_, err := p.call(ctx, request{Op: "create", Key: key, Body: body})
	return err
}

// Read reads there.
func (p *Process) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, err := p.call(ctx, request{Op: "read", Key: key, Limit: limit})
	return r.Body, err
}

// ReadRange reads a part there.
func (p *Process) ReadRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	r, err := p.call(ctx, request{Op: "range", Key: key, Offset: offset, Limit: length})
	return r.Body, err
}

// Delete deletes there.
func (p *Process) Delete(ctx context.Context, key string) error {
	_, err := p.call(ctx, request{Op: "delete", Key: key})
	return err
}

// Open reads the whole object there.
func (p *Process) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := p.call(ctx, request{Op: "open", Key: key})
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(r.Body)), nil
}

// List makes the whole listing there.
func (p *Process) List(ctx context.Context, prefix, after string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		r, err := p.call(ctx, request{Op: "list", Key: prefix, After: after})
		deliver(r.Objects, err, yield)
	}
}

// Staged makes the whole listing there.
func (p *Process) Staged(ctx context.Context) iter.Seq2[storage.Staging, error] {
	return func(yield func(storage.Staging, error) bool) {
		r, err := p.call(ctx, request{Op: "staged"})
		deliver(r.Staged, err, yield)
	}
}

func deliver[T any](all []T, err error, yield func(T, error) bool) {
	for _, v := range all {
		if !yield(v, nil) {
			return
		}
	}
	if err != nil {
		var none T
		yield(none, err)
	}
}

// Now asks there.
func (p *Process) Now(ctx context.Context) (time.Time, error) {
	r, err := p.call(ctx, request{Op: "now"})
	return r.Now, err
}

// Publish publishes there.
func (p *Process) Publish(ctx context.Context, ref []byte) error {
	_, err := p.call(ctx, request{Op: "publish", Body: ref})
	return err
}

// Discard discards there.
func (p *Process) Discard(ctx context.Context, s storage.Staging) error {
	_, err := p.call(ctx, request{Op: "discard", Staging: s})
	return err
}

// Stage stages there.
func (p *Process) Stage(ctx context.Context, key, owner string, most int64) (storage.Upload, error) {
	r, err := p.call(ctx, request{Op: "stage", Key: key, Owner: owner, Most: most})
	if err != nil {
		return nil, err
	}
	return &upload{p: p, id: r.Upload}, nil
}

type upload struct {
	p  *Process
	id int
}

func (u *upload) Write(b []byte) (int, error) {
	if _, err := u.p.call(context.Background(), request{Op: "write", Upload: u.id, Body: b}); err != nil { // Write has no context
		return 0, err
	}
	return len(b), nil
}

func (u *upload) Close(ctx context.Context) ([]byte, error) {
	r, err := u.p.call(ctx, request{Op: "close", Upload: u.id})
	return r.Body, err
}

func (u *upload) Abort(ctx context.Context) error {
	_, err := u.p.call(ctx, request{Op: "abort", Upload: u.id})
	return err
}

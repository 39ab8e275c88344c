package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// worker is a process that runs the job. Its methods are called by one goroutine.
type worker struct {
	name   string
	cmd    *exec.Cmd
	log    *os.File
	paused bool
	dead   chan struct{}
	err    error // once dead
}

// startWorker runs the program. What it logs goes into a file of its name.
func startWorker(program, dir, name string, args, env []string) (*worker, error) {
	f, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	w := &worker{name: name, cmd: exec.Command(program, args...), log: f, dead: make(chan struct{})}
	w.cmd.Stdout, w.cmd.Stderr, w.cmd.Env = f, f, append(os.Environ(), env...)
	w.cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the child dies with the thread that made it
		defer runtime.UnlockOSThread()
		err := w.cmd.Start()
		started <- err
		if err == nil {
			w.err = w.cmd.Wait()
		}
		close(w.dead)
	}()
	return w, <-started
}

func (w *worker) alive() bool {
	select {
	case <-w.dead:
		return false
	default:
		return true
	}
}

func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	<-w.dead
	_ = w.log.Close()
}

// stop asks the process to end.
func (w *worker) stop(limit time.Duration) error {
	w.resume()
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.dead:
		_ = w.log.Close()
		if w.err != nil && w.said() != "" { // else it was told before it could listen
			return fmt.Errorf("%s, told to end: %w; see %s", w.name, w.err, w.log.Name())
		}
		return nil
	case <-time.After(limit):
		w.kill()
		return fmt.Errorf("%s did not end within %v; see %s", w.name, limit, w.log.Name())
	}
}

// said is what the process has logged.
func (w *worker) said() string {
	b, err := os.ReadFile(w.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (w *worker) pause() {
	_ = w.cmd.Process.Signal(syscall.SIGSTOP)
	w.paused = true
}

func (w *worker) resume() {
	if w.paused {
		_ = w.cmd.Process.Signal(syscall.SIGCONT)
		w.paused = false
	}
}

// crew is all workers. It is safe for concurrent use.
type crew struct {
	program, dir string
	args, env    []string
	odd          []string // more arguments, for every other worker
	say          func(string, ...any)

	mu      sync.Mutex
	made    int
	workers []*worker
	failed  []error // of processes that ended by themselves
	quiet   bool    // there are no faults any more
	refused int     // processes that could not begin while there were
}

func (c *crew) add() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	args := c.args
	if c.made%2 == 1 {
		args = slices.Concat(args, c.odd)
	}
	w, err := startWorker(c.program, c.dir, fmt.Sprintf("worker-%03d", c.made), args, c.env)
	if err == nil {
		c.workers = append(c.workers, w)
	}
	return err
}

// take removes a worker that is not paused, or returns nil if there is none.
func (c *crew) take() *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.workers {
		if !w.paused {
			c.workers = append(c.workers[:i:i], c.workers[i+1:]...)
			return w
		}
	}
	return nil
}

func (c *crew) give(w *worker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.workers = append(c.workers, w)
}

func (c *crew) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.workers)
}

// replace starts a worker for each that has ended by itself, as an orchestrator does.
func (c *crew) replace() error {
	c.mu.Lock()
	var alive []*worker
	gone := 0
	for _, w := range c.workers {
		if w.alive() {
			alive = append(alive, w)
			continue
		}
		gone++
		err := fmt.Errorf("%s ended by itself: %w; see %s", w.name, w.err, w.log.Name())
		c.say("%v", err)
		if !c.quiet && strings.Contains(w.said(), "cannot begin") {
			c.refused++ // it says what is in its way, and the next one tries
			continue
		}
		c.failed = append(c.failed, err)
	}
	c.workers = alive
	c.mu.Unlock()
	for range gone {
		if err := c.add(); err != nil {
			return err
		}
	}
	return nil
}

// stopAll ends all workers gracefully.
func (c *crew) stopAll() (errs []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		if err := w.stop(40 * time.Second); err != nil {
			errs = append(errs, err)
		}
	}
	c.workers = nil
	return errs
}

// dump makes all workers write the stacks of their goroutines into their logs and end.
func (c *crew) dump() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		w.resume()
		_ = w.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-w.dead:
		case <-time.After(5 * time.Second):
		}
	}
}

func (c *crew) killAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		w.kill()
	}
	c.workers = nil
}

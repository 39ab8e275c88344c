package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Process is one server process. Its methods are safe for concurrent use.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	dead chan struct{} // closed once the process was waited for
}

// spec says how to start a process.
type spec struct {
	name string
	args []string
	env  []string // added to this process's own
	dir  string   // working folder; empty is ours
	log  string   // file that gets what it prints, appended

	// ready reports nil once the server serves. It is called every few milliseconds.
	ready func(ctx context.Context) error
}

// start starts a process and waits until it is ready. On an error nothing is left running and the error ends with the
// last lines of its log.
func start(ctx context.Context, s spec) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(s.log), 0o777); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = dieWithParent()
	p := &Process{name: s.name, log: s.log, cmd: cmd, dead: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties the child to the thread that made it, so this thread must live as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(p.dead)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("servers: start %s: %w", s.name, err)
	}
	if err := p.await(ctx, s.ready); err != nil {
		p.Kill()
		return nil, fmt.Errorf("servers: %s did not become ready: %w\n%s", s.name, err, p.Tail(30))
	}
	return p, nil
}

func (p *Process) await(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.dead:
			return fmt.Errorf("it ended: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive reports whether the process runs; a paused one does.
func (p *Process) Alive() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// Stop asks the process to end, kills it if that takes more than 10 seconds, and returns when it is gone.
func (p *Process) Stop() {
	p.Signal(syscall.SIGCONT)
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.dead:
	case <-time.After(10 * time.Second):
		p.Kill()
	}
}

// Kill ends the process with SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.dead
}

// Signal sends a signal, such as SIGSTOP and SIGCONT. A process that has ended gets none.
func (p *Process) Signal(s os.Signal) {
	if p.Alive() {
		_ = p.cmd.Process.Signal(s)
	}
}

// Tail returns the last n lines of the log.
func (p *Process) Tail(n int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// listens is a ready function for a server whose open port is enough.
func listens(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		d := net.Dialer{Timeout: time.Second}
		c, err := d.DialContext(ctx, "tcp", addr(port))
		if err != nil {
			return err
		}
		return c.Close()
	}
}

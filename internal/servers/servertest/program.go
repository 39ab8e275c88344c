package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// RunWith builds the program in whose folder the tests are, notes its path in program, runs the tests and stops the servers. It
// returns what the process is to exit with.
func (s *Shared) RunWith(m *testing.M, program *string) (code int) {
	dir, err := os.MkdirTemp("", "program-*")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		*program = filepath.Join(dir, "program")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", *program, ".").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Stop()
	return m.Run()
}

package release

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// output runs a command in dir, with env beside the process's own, and returns what it prints. An error has all that it
// printed.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s in %s: %w\n%s%s", name, strings.Join(args, " "), dir, err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// commands runs the commands, of which each is words with a space between, one after the other until one fails.
func commands(ctx context.Context, dir string, env []string, lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		if _, err := output(ctx, dir, env, words[0], words[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// noWorkspace takes go.work away from the go command, as it is for whoever requires our modules. The flags come on top of
// the user's own.
func noWorkspace(flags string) []string {
	return []string{"GOWORK=off", "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" "+flags)}
}

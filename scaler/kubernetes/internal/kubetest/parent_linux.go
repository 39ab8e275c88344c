package kubetest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent lets the kernel kill the process if the test is killed, so that no server is left over. The kernel goes by
// the thread that started it, so the calling goroutine must keep its thread until the process has ended.
func dieWithParent(cmd *exec.Cmd) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

package servers

import "syscall"

// dieWithParent makes the kernel kill the process when ours dies, so that a killed test leaves no server behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

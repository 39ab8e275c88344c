package place

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/onceflow/onceflow/sink/internal/files"
	"github.com/onceflow/onceflow/stream/driver"
)

// checkInput refuses a flow's folder that the source would read, now or at a later start. It also refuses a source that
// reads within such a folder. Else the job would read its own rows and write them again.
func checkInput(src driver.SourceInfo, folder string, o *Options) error {
	if folder == "" {
		return nil
	}
	for _, input := range src.Folders {
		if err := checkFolder(input, folder, o); err != nil {
			return err
		}
	}
	return nil
}

func checkFolder(input, folder string, o *Options) error {
	in, err := resolve(input)
	if err != nil {
		return fmt.Errorf("compare the folders of input and output: %w", err)
	}
	root := filepath.Join(folder, filepath.FromSlash(o.Prefix))
	folders := []string{filepath.Join(root, files.DeadFolder), filepath.Join(root, files.NoteFolder)}
	for _, flow := range o.Flows {
		folders = append(folders, filepath.Join(root, flow), filepath.Join(root, files.LateFolder, flow))
	}
	for _, folder := range folders {
		out, err := resolve(folder)
		if err != nil {
			return fmt.Errorf("compare the folders of input and output: %w", err)
		}
		path, below := within(out, in)
		if below && !hidden(path) {
			return fmt.Errorf("the output folder %s lies in the input folder %s: the job would read its own rows and write them again; "+
				"write to a folder outside, or to one below whose name begins with an underscore, which is not read", folder, input)
		}
		if _, below := within(in, out); below {
			return fmt.Errorf("the input folder %s lies in the output folder %s: the job would read its own rows and write them again; "+
				"read from another folder, or write to another", input, folder)
		}
	}
	return nil
}

// resolve follows the links in a path, whose end need not exist.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
		return real, err
	}
	parent, err := resolve(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// within reports whether path, with its links followed, is folder or lies below it, and where. It asks the file system
// whether two folders are one, since some take "In" for "in".
func within(path, folder string) (string, bool) {
	want, err := os.Stat(folder)
	if err != nil {
		return "", false // nothing lies in a folder that is not there
	}
	for at := path; ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil && os.SameFile(info, want) {
			return path[len(at):], true
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
}

// hidden reports whether a folder of the path begins with a dot or an underscore.
func hidden(path string) bool {
	for name := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
			return true
		}
	}
	return false
}

package servers

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// run runs an installing command. What it printed is part of the error.
func run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// jar names a Maven artifact.
type jar struct {
	group, artifact, version string
	without                  []string // artifacts of the same group that are left out
}

const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// maven puts jars and all they need into dir/libs.
func maven(ctx context.Context, dir string, jars ...jar) error {
	type dependency struct {
		Group      string `xml:"groupId"`
		Artifact   string `xml:"artifactId"`
		Version    string `xml:"version,omitempty"`
		Exclusions *struct {
			List []dependencyRef `xml:"exclusion"`
		} `xml:"exclusions"`
	}
	var pom struct {
		XMLName   xml.Name     `xml:"project"`
		Model     string       `xml:"modelVersion"`
		Group     string       `xml:"groupId"`
		Artifact  string       `xml:"artifactId"`
		Version   string       `xml:"version"`
		Packaging string       `xml:"packaging"`
		List      []dependency `xml:"dependencies>dependency"`
	}
	pom.Model, pom.Group, pom.Artifact, pom.Version, pom.Packaging = "4.0.0", "onceflow.servers", "server", "1", "pom"
	for _, j := range jars {
		d := dependency{Group: j.group, Artifact: j.artifact, Version: j.version}
		if len(j.without) > 0 {
			d.Exclusions = &struct {
				List []dependencyRef `xml:"exclusion"`
			}{}
			for _, w := range j.without {
				d.Exclusions.List = append(d.Exclusions.List, dependencyRef{j.group, w})
			}
		}
		pom.List = append(pom.List, d)
	}
	b, err := xml.MarshalIndent(pom, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, b, 0o666); err != nil {
		return err
	}
	return run(ctx, dir, nil, "mvn", "-B", "-q", "-f", file, copyDependencies,
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "libs"))
}

type dependencyRef struct {
	Group    string `xml:"groupId"`
	Artifact string `xml:"artifactId"`
}

// goInstall builds the command pkg@version into dir and renames it to name.
func goInstall(ctx context.Context, dir, pkg, version, name string) error {
	env := []string{"GOBIN=" + dir, "GOFLAGS=-buildvcs=false", "GOWORK=off"}
	if err := run(ctx, dir, env, "go", "install", "-ldflags=-s -w", pkg+"@"+version); err != nil {
		return err
	}
	built := filepath.Join(dir, filepath.Base(pkg))
	if built == filepath.Join(dir, name) {
		return nil
	}
	return os.Rename(built, filepath.Join(dir, name))
}

// npm installs a package into dir/node_modules.
func npm(ctx context.Context, dir, pkg, version string) error {
	return run(ctx, dir, nil, "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, pkg+"@"+version)
}

// Installs are the functions that install each server, by its name.
func Installs() map[string]func(context.Context, *Cache) (string, error) {
	return map[string]func(context.Context, *Cache) (string, error){
		"azurite":       InstallAzurite,
		"dynamodb":      InstallDynamoDB,
		"gcs":           InstallGCS,
		"kafka":         InstallKafka,
		"kinesalite":    InstallKinesalite,
		"kinesis-local": InstallKinesisLocal,
		"minio":         InstallMinIO,
		"postgres":      InstallPostgres,
		"redis":         InstallRedis,
		"toxiproxy":     InstallToxiproxy,
		"versitygw":     InstallVersity,
	}
}

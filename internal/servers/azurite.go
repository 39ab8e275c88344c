package servers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const azuriteVersion = "3.37.0"

// AzuriteAccount and AzuriteKey are the account of each Azurite.
const (
	AzuriteAccount = "onceflow"
	AzuriteKey     = "Y2FuYXJ5LWtleS1vZi10aGUtZW11bGF0b3I=" // base64, as keys of Azure are
)

// Azurite is a running emulator of Azure Blob Storage. It keeps its data in memory.
type Azurite struct {
	*Process
	dir  string
	port int
}

// InstallAzurite installs the emulator.
func InstallAzurite(ctx context.Context, c *Cache) (string, error) {
	return c.install(ctx, "azurite", azuriteVersion, func(ctx context.Context, dir string) error {
		return npm(ctx, dir, "azurite", azuriteVersion)
	})
}

// StartAzurite starts an empty emulator. Clients may be newer than it, so it does not look at the version of the API that they ask for.
func StartAzurite(ctx context.Context, c *Cache) (*Azurite, error) {
	home, err := InstallAzurite(ctx, c)
	if err != nil {
		return nil, err
	}
	port, err := c.Port(ctx)
	if err != nil {
		return nil, err
	}
	a := &Azurite{port: port}
	if a.dir, err = temp("", "azurite"); err != nil {
		return nil, err
	}
	a.Process, err = start(ctx, spec{
		name: "azurite", log: filepath.Join(a.dir, "log"), ready: listens(port), dir: a.dir,
		env: []string{"AZURITE_ACCOUNTS=" + AzuriteAccount + ":" + AzuriteKey},
		args: []string{
			"node", filepath.Join(home, "node_modules", "azurite", "dist", "src", "blob", "main.js"), "--inMemoryPersistence", "--silent",
			"--skipApiVersionCheck", "--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort", fmt.Sprint(port),
		},
	})
	if err != nil {
		_ = os.RemoveAll(a.dir)
		return nil, err
	}
	return a, nil
}

// Endpoint is the URL of the account.
func (a *Azurite) Endpoint() string { return "http://" + addr(a.port) + "/" + AzuriteAccount }

// Stop ends the emulator.
func (a *Azurite) Stop() {
	a.Kill()
	_ = os.RemoveAll(a.dir)
}

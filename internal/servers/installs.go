package servers

import "context"

// Installs are the functions that install each server, by its name.
func (c *Cache) Installs() map[string]func(context.Context) (string, error) {
	return map[string]func(context.Context) (string, error){
		"dynamodb":      c.InstallDynamoDB,
		"gcs":           c.InstallGCS,
		"kafka":         c.InstallKafka,
		"kinesalite":    c.InstallKinesalite,
		"kinesis-local": c.InstallKinesisLocal,
		"minio":         c.InstallMinIO,
		"moto":          c.InstallMoto,
		"redis":         c.InstallRedis,
		"toxiproxy":     c.InstallToxiproxy,
	}
}

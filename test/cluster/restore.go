package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// SaveEtcd makes a backup of etcd's data, which [Cluster.RestoreEtcd] brings back. etcd stands still meanwhile; the API
// server waits for it.
func (c *Cluster) SaveEtcd(ctx context.Context) (backup string, err error) {
	c.process(etcd).terminate(20 * time.Second)
	backup = filepath.Join(c.identity.path(""), fmt.Sprintf("backup-%d", time.Now().UnixNano()))
	if err := os.CopyFS(backup, os.DirFS(c.identity.path("etcd"))); err != nil {
		return "", fmt.Errorf("copying etcd's data: %w", err)
	}
	return backup, c.restartEtcd(ctx)
}

// RestoreEtcd brings back what [Cluster.SaveEtcd] saved, as an operator would: the API server is down meanwhile. With
// bump, etcd's revision is raised above all that were given before, and the history compacted, as Kubernetes asks of a
// restore; without, revisions are given anew.
func (c *Cluster) RestoreEtcd(ctx context.Context, backup string, bump bool) error {
	before, err := c.revision(ctx)
	if err != nil {
		return err
	}
	c.KillAPIServer()
	c.process(etcd).kill()
	data := c.identity.path("etcd")
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("removing etcd's data: %w", err)
	}
	if err := os.CopyFS(data, os.DirFS(backup)); err != nil {
		return fmt.Errorf("restoring etcd's data: %w", err)
	}
	if err := c.restartEtcd(ctx); err != nil {
		return err
	}
	for bump {
		now, err := c.revision(ctx)
		if err != nil {
			return err
		}
		if now > before {
			if _, err := c.Compact(ctx); err != nil {
				return err
			}
			break
		}
		put := map[string][]byte{"key": []byte("bump"), "value": []byte("here")}
		for range before - now + 1 {
			if err := c.etcdCall(ctx, "/v3/kv/put", put, &struct{}{}); err != nil {
				return fmt.Errorf("raising etcd's revision: %w", err)
			}
		}
	}
	return c.StartAPIServer(ctx)
}

func (c *Cluster) restartEtcd(ctx context.Context) error {
	p, err := c.startEtcd(c.etcdPeerPort)
	if err != nil {
		return err
	}
	return p.waitUntil(ctx, 30*time.Second, func(ctx context.Context) error { return getOK(ctx, c.etcdURL+"/health") })
}

// revision is etcd's.
func (c *Cluster) revision(ctx context.Context) (int64, error) {
	var status struct {
		Header struct {
			Revision int64 `json:"revision,string"`
		} `json:"header"`
	}
	if err := c.etcdCall(ctx, "/v3/maintenance/status", map[string]any{}, &status); err != nil {
		return 0, fmt.Errorf("asking etcd for its revision: %w", err)
	}
	return status.Header.Revision, nil
}

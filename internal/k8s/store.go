package k8s

import (
	"context"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/query"
)

// Store is what the watcher needs of the ledger. An error of any method ends the watch: what
// cannot be recorded must not be passed over. Every method is safe to call again with what it
// was given before.
type Store interface {
	NodeStore
	EventStore
}

// ClaimStore keeps what Karpenter says of its machines. An error of it ends nothing: what it could not record is read
// again. Recording the same again changes nothing.
type ClaimStore interface {
	// RecordClaims records NodeClaims as they are now, by UID. One whose object is gone stays, as it was last seen.
	RecordClaims(ctx context.Context, cluster string, claims []fleet.Claim) error
	// RecordPools records NodePools as they are now, by name.
	RecordPools(ctx context.Context, cluster string, pools []fleet.Pool) error
}

// NodeStore keeps nodes and their changes.
type NodeStore interface {
	// Checkpoint tells where the watches of the cluster stand; it is zero for a new cluster.
	Checkpoint(ctx context.Context, cluster string) (fleet.Checkpoint, error)
	// KnownNodes returns the live nodes by UID. The caller owns the map.
	KnownNodes(ctx context.Context, cluster string) (map[string]fleet.Known, error)
	// Node returns a node as last recorded, also a removed one.
	Node(ctx context.Context, cluster, uid string) (query.NodeRecord, bool, error)
	// Left returns what was known of a node when its end was recorded; ok is false if it never was.
	Left(ctx context.Context, cluster, uid string) (known fleet.Known, ok bool, err error)

	// RecordIdentity records which cluster this is; "" changes nothing.
	RecordIdentity(ctx context.Context, cluster, identity string) error
	// RecordBaseline records one page of a cluster's very first list. A list that had to start
	// again gives the same nodes again.
	RecordBaseline(ctx context.Context, cluster string, nodes []fleet.Observation) error
	// FinishBaseline says that the first list is complete. Recorded nodes for which keep is
	// false were gone before it was: they never were. It sets the baseline's moment (b.At) and
	// the resource version; b has no observations.
	FinishBaseline(ctx context.Context, b fleet.Batch, keep func(uid string) bool) error

	// RecordNodes records the batch in one transaction. Observations are in the order in which
	// they were seen, and a node may have several.
	RecordNodes(ctx context.Context, b fleet.Batch) error
	// Watched notes that the watch of nodes is alive and has recorded everything up to
	// nodesVersion.
	Watched(ctx context.Context, cluster string, until time.Time, nodesVersion string) error
}

// EventStore keeps events.
type EventStore interface {
	// RecordEvents records events in one transaction, together with the resource version at
	// which the watch may resume; "" leaves that as it is. An event already there by (cluster,
	// UID) is merged: the greater count and the later last time win, and the same again
	// changes nothing.
	RecordEvents(ctx context.Context, cluster string, events []fleet.Event, resourceVersion string) error
}

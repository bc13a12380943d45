package k8s

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	quantities "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"golang.org/x/sync/errgroup"

	"rollcall/internal/fleet"
)

// karpenter is the API of Karpenter. Source: karpenter, pkg/apis/v1.
var karpenter = schema.GroupVersion{Group: "karpenter.sh", Version: "v1"}

var (
	nodeClaims = resource{"nodeclaims", karpenter.Group}
	nodePools  = resource{"nodepools", karpenter.Group}
)

const (
	// poolLabel names a NodeClaim's NodePool. Source: karpenter, pkg/apis/v1/labels.go.
	poolLabel = "karpenter.sh/nodepool"
	// forcedBy is by when a NodeClaim's machine is ended whatever runs on it, as RFC 3339. Source: the same.
	forcedBy = "karpenter.sh/nodeclaim-termination-timestamp"
	// maxResources is how many resources of a NodePool are kept. It is Rollcall's own choice.
	maxResources = 32
)

// nodeClaim is what Rollcall reads of a NodeClaim. Source: karpenter, pkg/apis/v1/nodeclaim.go, nodeclaim_status.go.
type nodeClaim struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		ExpireAfter string `json:"expireAfter"` // a duration, or Never
	} `json:"spec"`
	Status struct {
		NodeName   string `json:"nodeName"`
		Conditions []struct {
			Type   string                 `json:"type"`
			Status metav1.ConditionStatus `json:"status"`
			Reason string                 `json:"reason"`
		} `json:"conditions"`
	} `json:"status"`
}

type nodeClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []nodeClaim `json:"items"`
}

// nodePool is what Rollcall reads of a NodePool. Source: karpenter, pkg/apis/v1/nodepool.go, nodepool_status.go.
type nodePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Limits map[string]amount `json:"limits"`
	} `json:"spec"`
	Status struct {
		Resources map[string]amount `json:"resources"`
	} `json:"status"`
}

type nodePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []nodePool `json:"items"`
}

// amount is a quantity as it is written: a text or a number.
type amount string

// UnmarshalJSON takes any value: one that is no quantity must not make the whole list unreadable.
func (a *amount) UnmarshalJSON(raw []byte) error {
	*a = amount(strings.Trim(string(raw), `"`))
	return nil
}

// DeepCopyObject is of no use: nothing copies what is only read. It makes the types runtime.Objects.
func (o *nodeClaim) DeepCopyObject() runtime.Object     { c := *o; return &c }
func (o *nodeClaimList) DeepCopyObject() runtime.Object { c := *o; return &c }
func (o *nodePool) DeepCopyObject() runtime.Object      { c := *o; return &c }
func (o *nodePoolList) DeepCopyObject() runtime.Object  { c := *o; return &c }

func claim(cluster string, o *nodeClaim) fleet.Claim {
	c := fleet.Claim{
		Cluster: cluster, UID: word(string(o.UID)), Name: word(o.Name), Pool: word(o.Labels[poolLabel]),
		Node: word(o.Status.NodeName), CreatedAt: moment(o.CreationTimestamp.Time),
	}
	if o.DeletionTimestamp != nil {
		c.DeletedAt = moment(o.DeletionTimestamp.Time)
	}
	if d, err := time.ParseDuration(o.Spec.ExpireAfter); err == nil && d > 0 {
		c.ExpireAfter = d
	}
	if at, err := time.Parse(time.RFC3339, o.Annotations[forcedBy]); err == nil {
		c.ForcedBy = moment(at)
	}
	for i := range o.Status.Conditions {
		switch is := &o.Status.Conditions[i]; {
		case is.Status != metav1.ConditionTrue:
		case is.Type == "Drifted":
			c.Drift = word(is.Reason)
		case is.Type == "DisruptionReason":
			c.Disruption = word(is.Reason)
		}
	}
	return c
}

func pool(cluster string, o *nodePool) fleet.Pool {
	return fleet.Pool{Cluster: cluster, Name: word(o.Name), Limits: amounts(o.Spec.Limits),
		Used: amounts(o.Status.Resources)}
}

func amounts(of map[string]amount) map[string]string {
	if len(of) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(of))
	kept := make(map[string]string, min(len(names), maxResources))
	for _, name := range names[:min(len(names), maxResources)] {
		kept[word(name)] = of[name].String()
	}
	return kept
}

// String is the quantity as people read it: "92500m" of a CPU and "92.5" are the same. What is none stays as it is.
func (a amount) String() string {
	q, err := quantities.ParseQuantity(string(a))
	if err != nil {
		return word(string(a))
	}
	if q.Format == quantities.DecimalSI {
		return strconv.FormatFloat(q.AsApproximateFloat64(), 'f', -1, 64)
	}
	return q.String()
}

// claimReader returns what reads Karpenter's objects until ctx ends.
func claimReader(c Config, t *timing, id *identity, logger *slog.Logger) func(ctx, writeCtx context.Context) error {
	size := cmp.Or(c.NodePage, 100)
	claims := &karpenterWatch[*nodeClaimList, nodeClaim, fleet.Claim]{
		cluster: c.Cluster, client: c.Client.claims, resource: nodeClaims, size: size, timing: t, identity: id,
		logger: logger.With("watch", "nodeclaims"),
		empty:  func() *nodeClaimList { return &nodeClaimList{} },
		items:  func(l *nodeClaimList) []nodeClaim { return l.Items },
		value:  claim, record: c.Claims.RecordClaims, seen: newLately(),
	}
	pools := &karpenterWatch[*nodePoolList, nodePool, fleet.Pool]{
		cluster: c.Cluster, client: c.Client.claims, resource: nodePools, size: size, timing: t, identity: id,
		logger: logger.With("watch", "nodepools"),
		empty:  func() *nodePoolList { return &nodePoolList{} },
		items:  func(l *nodePoolList) []nodePool { return l.Items },
		value:  pool, record: c.Claims.RecordPools, seen: newLately(), quiet: true,
	}
	return func(ctx, writeCtx context.Context) error {
		var g errgroup.Group
		g.Go(func() error { claims.run(ctx, writeCtx); return nil })
		g.Go(func() error { pools.run(ctx, writeCtx); return nil })
		return g.Wait()
	}
}

// karpenterWatch reads the objects O of one resource, in lists L, and records them as values V. It is there to explain:
// it fails nothing and holds nothing up, and a cluster without Karpenter, or one that does not let it read, is none
// that a person must mend. It begins with a list each time that the program starts, so it has no gaps to account for.
// Its fields belong to the goroutine of run.
type karpenterWatch[L page, O, V any] struct {
	cluster  string
	client   rest.Interface
	resource resource
	size     int
	timing   *timing
	identity *identity
	logger   *slog.Logger

	empty  func() L
	items  func(L) []O
	value  func(cluster string, o *O) V
	record func(ctx context.Context, cluster string, vs []V) error

	seen   *lately
	quiet  bool // that there is nothing to be read is another's to log
	silent bool // that it is interrupted is logged
}

func (w *karpenterWatch[L, O, V]) run(ctx, writeCtx context.Context) {
	pace := pacer{timing: *w.timing}
	version := ""
	for {
		worked, began := false, time.Now()
		_, err := w.identity.check(ctx)
		if err == nil && version == "" {
			version, err = w.listing(writeCtx).do(ctx)
		} else if err == nil {
			err = w.listing(writeCtx).verify(ctx, version)
		}
		if err == nil {
			version, worked, err = w.watch(ctx, writeCtx, version)
		}
		if ctx.Err() != nil {
			return
		}
		if isExpired(err) || isLedger(err) {
			version = "" // what could not be recorded is read again
		}
		wait := pace.pause(err, worked && time.Since(began) >= w.timing.backoff)
		if absent(err) {
			// An API server that has just started refuses everything for a moment: only what a list too is refused lasts.
			if version == "" {
				wait = w.timing.absent
			}
			version = ""
		}
		w.report(err, wait, worked)
		if !sleep(ctx, wait) {
			return
		}
	}
}

// absent reports whether the API server has no such API, or does not let us read it.
func absent(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) }

// report logs once why nothing is read, and nothing more until something was.
func (w *karpenterWatch[L, O, V]) report(err error, wait time.Duration, worked bool) {
	w.silent = w.silent && !worked
	switch {
	case w.silent || wait == 0 || w.quiet && absent(err):
		w.logger.Debug("watch ended", "reason", err)
		return
	case apierrors.IsNotFound(err):
		w.logger.Info("the cluster has no NodeClaims of karpenter.sh/v1: events alone say what Karpenter does, if it runs")
	case apierrors.IsForbidden(err):
		w.logger.Info("Karpenter's NodeClaims may not be read: events alone say what it does. To permit it, " +
			"add manifests/components/karpenter")
	default:
		w.logger.Info("watch interrupted", "error", err, "retry_in", wait.Round(time.Millisecond).String())
	}
	w.silent = true
}

func (w *karpenterWatch[L, O, V]) listing(writeCtx context.Context) listing[L] {
	return listing[L]{
		client: w.client, resource: w.resource, size: w.size, timeout: w.timing.page, empty: w.empty,
		begin: func() error { return nil },
		each: func(p L) error {
			var batch []V
			items := w.items(p)
			for i := range items {
				batch = w.add(batch, &items[i])
			}
			return w.flush(writeCtx, batch)
		},
	}
}

// add adds an object to a batch, unless it is as it was before.
func (w *karpenterWatch[L, O, V]) add(batch []V, o *O) []V {
	v := w.value(w.cluster, o)
	if w.seen.again(string(any(o).(metav1.Object).GetUID()), v) {
		return batch
	}
	return append(batch, v)
}

// flush records a batch, which the ledger may keep.
func (w *karpenterWatch[L, O, V]) flush(ctx context.Context, batch []V) error {
	if len(batch) == 0 {
		return nil
	}
	err := w.record(ctx, w.cluster, batch)
	if err != nil {
		w.seen.forget()
	}
	return storing("recording "+w.resource.name, err)
}

// watch records what changes from version on, until the session ends. It returns the version up to which everything is
// recorded, and whether the watch was good for anything.
func (w *karpenterWatch[L, O, V]) watch(ctx, writeCtx context.Context, version string) (
	recorded string, worked bool, err error) {
	s, err := open(ctx, w.client, w.resource, version, *w.timing)
	if err != nil {
		return version, false, err
	}
	defer s.stop()
	seen := version
	probe := newProbe(ctx, w.timing, func(ctx context.Context) error { return w.listing(writeCtx).verify(ctx, version) })
	defer probe.stop()
	due := time.NewTimer(time.Hour)
	due.Stop()
	defer due.Stop()
	settled := time.NewTimer(w.timing.settle)
	defer settled.Stop()
	recorded = version
	var batch []V
	flush := func() error {
		err := w.flush(writeCtx, batch)
		if batch = nil; err == nil {
			recorded = seen
		}
		return err
	}
	for err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-settled.C:
			worked = true
		case <-probe.due():
			probe.begin()
		case err = <-probe.failed:
		case <-due.C:
			if err := flush(); err != nil {
				return recorded, worked, err
			}
		case f, ok := <-s.ResultChan():
			if !ok {
				err = errClosed
				break
			}
			if f.Type == watch.Error {
				err = watchError(w.resource, f.Object)
				break
			}
			o, ok := any(f.Object).(*O)
			if !ok {
				err = errClosed
				break
			}
			worked = true
			probe.heard()
			seen = f.Object.(metav1.Object).GetResourceVersion()
			if f.Type == watch.Bookmark {
				break
			}
			if batch = w.add(batch, o); len(batch) == 1 {
				due.Reset(w.timing.claims)
			} else if len(batch) >= maxBatch {
				if err := flush(); err != nil {
					return recorded, worked, err
				}
			}
		}
	}
	// What was read is recorded, also when the end was asked for.
	return recorded, worked, errors.Join(flush(), err)
}

// lately remembers how objects were lately, in so much memory and no more: of an object that is written again and
// again, without a difference that matters, not every write must reach the ledger. Forgetting one costs a write.
type lately struct {
	seed maphash.Seed
	sums [4096]uint64 // of an object's value, at its UID's sum
}

func newLately() *lately { return &lately{seed: maphash.MakeSeed()} }

// again reports whether the object of a UID is as it was when again was last called for it.
func (l *lately) again(uid string, v any) bool {
	was := &l.sums[maphash.String(l.seed, uid)%uint64(len(l.sums))]
	sum := maphash.String(l.seed, uid+fmt.Sprint(v))
	if *was == sum {
		return true
	}
	*was = sum
	return false
}

func (l *lately) forget() { clear(l.sums[:]) }

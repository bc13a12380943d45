package chaos

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger"
	"rollcall/internal/query"
	"rollcall/internal/webhook"
	"rollcall/internal/webhook/receiver"
	"rollcall/internal/webhook/webhooktest"
)

const webhookSecret = "whsec_c2VjcmV0IG9mIHRoZSBjaGFvcyBydW5zIHJlY2VpdmVy"

// listen starts a receiver of events on loopback.
func listen() (r *receiver.Receiver, address string, stop func(), err error) {
	validate, err := webhooktest.Schema()
	if err != nil {
		return nil, "", nil, err
	}
	r = receiver.New(webhookSecret, validate, 0)
	r.IgnoreClock = true // the program's is set by days
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, fmt.Errorf("serving the receiver of events: %w", err)
	}
	server := &http.Server{Handler: r}
	var served sync.WaitGroup
	served.Go(func() { server.Serve(listener) })
	return r, "http://" + listener.Addr().String() + "/events", func() {
		server.Close()
		served.Wait()
	}, nil
}

// fed is what a node's event tells.
type fed struct {
	uid, kind  string
	occurrence int
}

func (f fed) String() string { return fmt.Sprintf("%s %s %d", f.uid, f.kind, f.occurrence) }

// recorded are the changes that the ledger holds, in the order in which they were recorded; ok is false if it cannot be
// read just now.
func (e *episode) recorded() (all []fed, ok bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 10*time.Second)
	defer cancel()
	l, err := ledger.OpenToRead(ctx, filepath.Join(e.ledger, "rollcall.db"))
	if err != nil {
		return nil, false
	}
	defer l.Close()
	changes, err := l.RecentChanges(ctx, "prod", 100_000, fleet.ChangeKinds...)
	if err != nil {
		return nil, false
	}
	slices.SortFunc(changes, func(a, b query.ChangeRecord) int { return cmp.Compare(a.Change.ID, b.Change.ID) })
	for _, c := range changes {
		all = append(all, fed{c.Change.NodeUID, string(c.Change.Kind), c.Change.Occurrence})
	}
	return all, true
}

// judgeEvents compares what the receiver was told, repeats discarded, with what the ledger holds: every change once, in
// the order in which they were recorded, and no other.
func (e *episode) judgeEvents() []violation {
	var got []fed
	for _, x := range e.receiver.Events() {
		kind, ok := strings.CutPrefix(x.Type(), webhook.Prefix+"node.")
		if !ok || kind == "explained.v1" {
			continue
		}
		var data struct {
			Node   struct{ UID string }
			Change struct {
				Kind       string
				Occurrence int
			}
		}
		if err := x.DataAs(&data); err != nil {
			return violations(other, "an event cannot be read: %v", err)
		}
		got = append(got, fed{data.Node.UID, data.Change.Kind, data.Change.Occurrence})
	}
	want, ok := e.recorded() // only now: what is recorded meanwhile is on its way
	if !ok {
		return violations(lost, "the ledger cannot be read")
	}
	return compareEvents(want, got, e.receiver.Wrong())
}

// compareEvents is the judgement itself.
func compareEvents(want, got []fed, wrong []string) (out []violation) {
	for _, problem := range wrong {
		out = append(out, violations(other, "the receiver refuses an event: %s", problem)...)
	}
	times := map[fed]int{}
	for _, f := range got {
		if times[f]++; times[f] == 2 {
			out = append(out, violations(doubled, "the receiver was told twice, with two IDs: %v", f)...)
		}
	}
	known := map[fed]bool{}
	for _, f := range want {
		if known[f] = true; times[f] == 0 {
			out = append(out, violations(lost, "the receiver was not told: %v", f)...)
		}
	}
	for f := range times {
		if !known[f] {
			out = append(out, violations(other, "the receiver was told what is not recorded: %v", f)...)
		}
	}
	if len(out) == 0 && !slices.Equal(want, got) {
		out = append(out, violations(wrongOrder, "the receiver was told in another order than recorded:\n%v\n%v", got, want)...)
	}
	return out
}

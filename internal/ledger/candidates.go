package ledger

import (
	"context"
	"iter"
	"time"

	"rollcall/internal/fleet"
)

// maxCandidates is how many statements about candidates are read for one period, those made last.
const maxCandidates = 20000

const candidatesSQL = `SELECT ` + eventColumns + ` FROM events e
	WHERE e.cluster = ? AND e.reason = 'ConsolidationCandidate'
	AND e.last_at >= ? AND e.last_at < ? AND e.kind = 'Node' AND e.namespace = '' ORDER BY e.last_at DESC LIMIT ?`

// Candidates yields what Karpenter said in [from, until) of nodes that it might consolidate, in no order, and at most
// one error, which is the last. Of very many statements it yields those made last.
func (l *Ledger) Candidates(ctx context.Context, cluster string, from, until time.Time) iter.Seq2[fleet.Event, error] {
	return telling("reading candidates for consolidation in "+cluster, each(ctx, l.r, func(r row) (fleet.Event, error) {
		e, err := scanEvent(r)
		return e.Event, err
	}, candidatesSQL, cluster, from.UnixMilli(), until.UnixMilli(), maxCandidates))
}

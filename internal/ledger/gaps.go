package ledger

import (
	"context"
	"database/sql"
	"time"

	"rollcall/internal/fleet"
)

// gapSQL reads gaps g; a condition follows.
const gapSQL = `SELECT g.id, g.cluster, g.from_at, g.until_at, g.cause, g.missed, g.events_from FROM gaps g WHERE `

func scanGap(r row) (g fleet.Gap, err error) {
	var from, until, events sql.NullInt64
	err = r.Scan(&g.ID, &g.Cluster, &from, &until, &g.Cause, &g.Missed, &events)
	g.From, g.Until, g.EventsFrom = fromMS(from), fromMS(until), fromMS(events)
	return g, err
}

// Gaps returns the spans without a watch that end after since, oldest first.
func (l *Ledger) Gaps(ctx context.Context, cluster string, since time.Time) (gaps []fleet.Gap, err error) {
	defer doing(&err, "reading gaps of %s", cluster)
	return collect(ctx, l.r, scanGap, gapSQL+`g.cluster = ? AND g.until_at >= ? ORDER BY g.id`, cluster, since.UnixMilli())
}

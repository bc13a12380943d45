package ledger

import (
	"context"
	"time"

	"rollcall/internal/fleet"
)

// gapColumns are what scanGap receives, of gaps g.
const gapColumns = `g.id, g.cluster, g.from_at, g.until_at, g.cause, g.missed, g.events_from, g.confirmed`

func scanGap(r row) (g fleet.Gap, err error) {
	err = r.Scan(&g.ID, &g.Cluster, at{&g.From}, at{&g.Until}, &g.Cause, &g.Missed, at{&g.EventsFrom},
		at{&g.Confirmed})
	return g, err
}

// Gaps returns the spans without a watch that end at since or later, oldest first.
func (l *Ledger) Gaps(ctx context.Context, cluster string, since time.Time) (gaps []fleet.Gap, err error) {
	defer doing(&err, "reading gaps of %s", cluster)
	return collect(ctx, l.r, scanGap,
		`SELECT `+gapColumns+` FROM gaps g WHERE g.cluster = ? AND g.until_at >= ? ORDER BY g.id`, cluster, since.UnixMilli())
}

// gapsByID returns those of the gaps that are in the ledger.
func (l *Ledger) gapsByID(ctx context.Context, ids []int64) ([]fleet.Gap, error) {
	return collect(ctx, l.r, scanGap, `SELECT `+gapColumns+` FROM gaps g WHERE `+l.sql.in(`g.id`), l.sql.list(ids))
}

const insertGapSQL = `INSERT INTO gaps (cluster, from_at, until_at, cause, missed, events_from, confirmed)
	VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`

func insertGap(ctx context.Context, tx tx, cluster string, g fleet.Gap) (id int64, err error) {
	id, _, err = one(ctx, tx, value[int64], insertGapSQL, cluster, g.From.UnixMilli(), g.Until.UnixMilli(), g.Cause,
		g.Missed, ms(g.EventsFrom), ms(g.Confirmed))
	return id, err
}

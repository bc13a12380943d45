package ledger

import "context"

// Lists reports whether a person reads lists instead of tables. The ID is the person's in the sink.
func (l *Ledger) Lists(ctx context.Context, person string) (on bool, err error) {
	defer doing(&err, "reading how %s is answered", person)
	lists, _, err := one(ctx, l.r, value[int], `SELECT lists FROM people WHERE id = ?`, person)
	return lists != 0, err
}

// SetLists notes whether a person reads lists instead of tables.
func (l *Ledger) SetLists(ctx context.Context, person string, on bool) (err error) {
	defer doing(&err, "noting how %s is answered", person)
	if !on {
		_, err = l.exec(ctx, `DELETE FROM people WHERE id = ?`, person)
		return err
	}
	_, err = l.exec(ctx, `INSERT INTO people (id, lists) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET lists = 1`, person)
	return err
}

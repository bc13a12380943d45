package ledger

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"rollcall/internal/wave"
)

// A copy of the file, as a snapshot of its volume is, goes on with the same instance and the same numbers.
// Yet no message that either of them records, or begins to post, from then on has a key of the other's.
// One that was begun before the copy keeps its key in both, because Slack may have it.
func TestCopiesShareNoKeys(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	path := filepath.Join(dir, "rollcall.db")
	l := open(t, path)
	tick := func(hour int) wave.Digest {
		return wave.Digest{Posting: wave.Posting{Channel: "C1", Created: t0}, Cluster: "prod",
			From: t0.Add(time.Duration(hour-1) * time.Hour), Until: t0.Add(time.Duration(hour) * time.Hour)}
	}
	openWave := func(l *Ledger, node int, begun bool) {
		record(t, l, fmt.Sprint(node), first(node))
		todo, _, err := l.Todo(ctx, "prod", 10)
		check(t, err)
		check(t, l.Apply(ctx, "prod", "C1", wave.Plan{
			New: []wave.Opening{{Kind: wave.KindJoined, Changes: []int64{todo[0].Change.ID}}}}, begun, t0))
	}
	openWave(l, 1, true)
	openWave(l, 2, false)
	live := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	must[wave.Posting](t)(l.AddPart(ctx, live[1], wave.PartList, []string{"uid-2"}, t0))
	must[wave.Digest](t)(l.AddDigest(ctx, tick(0)))
	check(t, l.Close())
	copied := filepath.Join(dir, "copy.db")
	check(t, copyFile(path, copied))

	begun := live[0].Key
	keys := map[string]string{}
	for _, p := range []string{path, copied} {
		l := open(t, p)
		openWave(l, 3, false)
		must[wave.Digest](t)(l.AddDigest(ctx, tick(1)))
		waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
		must[wave.Posting](t)(l.AddPart(ctx, waves[2], wave.PartList, nil, t0))
		waves = must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
		if len(waves) != 3 || waves[0].Main.Key != begun || !waves[0].Main.Tried {
			t.Fatalf("what was begun has become %+v", waves)
		}
		members := must[[]wave.Member](t)(l.Members(ctx, waves[1].ID))
		if len(waves[1].Parts) != 1 || members[0].Part != waves[1].Parts[0].Key || waves[1].Key != waves[1].Main.Key {
			t.Errorf("the wave and its reply do not fit any more: %+v, listed in %s", waves[1], members[0].Part)
		}
		last, _, err := l.LastDigest(ctx, "prod", "")
		check(t, err)
		before := must[wave.Digest](t)(l.AddDigest(ctx, tick(0)))
		mine := []string{last.Key, before.Key}
		for _, w := range waves[1:] {
			mine = append(mine, w.Key)
			for _, part := range w.Parts {
				mine = append(mine, part.Key)
			}
		}
		if len(mine) != 6 {
			t.Errorf("there are the messages %q, want 6", mine)
		}
		for _, key := range mine {
			if other, ok := keys[key]; ok {
				t.Errorf("%s has a message with key %s, as %s has", p, key, other)
			}
			keys[key] = p
		}
	}
}

// A key is renewed as often as the ledger is opened, and does not grow; one of an older version's form gets
// an end.
func TestKeyOf(t *testing.T) {
	l := &Ledger{base: &base{instance: "0123abcd"}}
	for _, of := range []string{"12", "12.1", "digest-my-cluster-1700000000", "digest-my-thirteenchars-1700000000"} {
		for _, key := range []string{l.newKey(of), "0123abcd-" + of} {
			if got := keyOf(key); got != of {
				t.Errorf("%s is a key of %s, want %s", key, got, of)
			}
		}
	}
}

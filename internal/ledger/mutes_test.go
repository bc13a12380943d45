package ledger

import (
	"testing"

	"rollcall/internal/wave"
)

// However it is planned, two waves cannot tell one mute.
func TestOneWaveForAMute(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	plan := wave.Plan{}
	for _, request := range []string{"click-1", "click-2"} {
		asked := mute(request)
		asked.Value = "pool of " + request
		m := must[wave.Mute](t)(l.AddMute(ctx, asked))
		plan.New = append(plan.New, wave.Opening{Kind: wave.KindMute, About: wave.About{Mute: m.ID}})
	}
	check(t, l.Apply(ctx, "prod", "C1", plan, false, t0))
	if _, err := l.exec(ctx, `UPDATE waves SET about = (SELECT min(about) FROM waves) WHERE kind = 'mute'`); err == nil {
		t.Error("two waves have one mute")
	}
}

package alert

import (
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
)

// isLoud reports whether a wave tells what is loud and not known to be over: that nodes are not ready, whatever else it
// tells, or what is loud by its kind.
func isLoud(w wave.Wave) bool {
	k := kindOf(w.Kind)
	if len(w.Members) == 0 {
		s := w.About.Standing
		return k.loud && (s == nil || s.Until.IsZero())
	}
	return (k.loud || k.mixed) && slices.ContainsFunc(w.Members, func(m wave.Member) bool {
		went, ok := m.Step(fleet.WentUnready)
		back, recovered := m.Step(fleet.Recovered)
		return ok && (!recovered || back.Occurrence < went.Occurrence) && m.RemovedAt.IsZero()
	})
}

// lookButton is the button of what is loud, until somebody looks at it.
func lookButton(w wave.Wave, loud bool) []message.Button {
	if !loud || w.Look != (wave.Look{}) {
		return nil
	}
	return []message.Button{{Label: "I look at it", Verb: message.Look, Value: w.Key, Style: message.Primary}}
}

// lookLines say who looks at what a wave tells.
func lookLines(w wave.Wave) []message.Line {
	if w.Look == (wave.Look{}) {
		return nil
	}
	return []message.Line{line("👀 "+message.OneWord(w.Look.Name)+" looks at it since ", w.Look.At)}
}

// RenderReminder says what the thread reply reads that rings once more, because nobody looks at what a wave tells.
func RenderReminder(w wave.Wave, cfg Config) message.Message {
	main := Render(w, fleet.Totals{}, nil, cfg)
	about, _, _ := strings.Cut(strings.TrimPrefix(main.Text, w.Cluster+": "), "\n")
	if !isLoud(w) {
		if m, ok := RenderNeverReady(w, cfg); ok {
			about = strings.TrimPrefix(m.Text, w.Cluster+": ")
		}
	}
	m := message.Message{Kind: wave.PartRemind, Cluster: w.Cluster, Nodes: len(w.Members), Icon: "⏰", Broad: true,
		Mentions: strings.Fields(cfg.Routes.Rung(w.Mentions))}
	m.Headline = fmt.Sprintf("%s: nobody has looked at this for %s: %s", w.Cluster, message.Duration(cfg.RemindAfter),
		about)
	if lines := lookLines(w); lines != nil {
		m.Icon, m.Headline = "👀", w.Cluster+": "+about
		m.Parts = append(m.Parts, message.Part{Lines: lines})
	}
	m.Text = m.Headline
	if buttons := lookButton(w, true); buttons != nil {
		m.Parts = append(m.Parts, message.Part{Buttons: buttons})
	}
	return m
}

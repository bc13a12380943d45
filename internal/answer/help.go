package answer

import (
	"fmt"

	"rollcall/internal/command"
	"rollcall/internal/message"
)

// help shows how a command is used.
func (a *Answerer) help(h command.Help) message.Message {
	say := a.names.Show
	title := say(h.Command) + ": how to use it"
	v := message.Message{Icon: "💡", Headline: title, Text: title}
	add := func(heading string, lines []command.Line) {
		if len(lines) == 0 {
			return
		}
		p := message.Part{Heading: heading}
		for _, l := range lines {
			p.Cards = append(p.Cards, message.Card{Name: say(l.Text), Lines: message.Sentence(say(l.Meaning))})
		}
		v.Parts = append(v.Parts, p)
	}
	add("", h.Usage)
	if len(h.Flags) > 0 {
		p := message.Part{Heading: "Filters"}
		for _, f := range h.Flags {
			meaning := f.Meaning
			if f.Detail != "" && len(h.Flags) == 1 {
				meaning += ". " + f.Detail
			}
			p.Text = append(p.Text, fmt.Sprintf("%-25s %s", f.Form(), say(meaning)))
		}
		v.Parts = append(v.Parts, p)
	}
	add("Examples", h.Examples)
	for _, n := range h.Notes {
		v.Parts = append(v.Parts, message.Part{Lines: message.Sentence(say(n))})
	}
	var buttons []message.Button
	for i, e := range h.Examples {
		if i < 3 {
			buttons = append(buttons, show("Try "+say(e.Text), e.Text))
		}
	}
	if len(buttons) > 0 {
		v.Parts = append(v.Parts, message.Part{Buttons: buttons})
	}
	return v
}

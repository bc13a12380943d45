package slackapp

import (
	"regexp"
	"strings"

	"github.com/slack-go/slack"
)

// The forms of mentions: of a person, of a user group, and of all in the channel who are there.
var (
	mentionedUser  = regexp.MustCompile(`^[UW][A-Z0-9]+$`)
	mentionedGroup = regexp.MustCompile(`^S[A-Z0-9]+$`)
)

const mentionHere = "@here"

// mentions are the elements that ring whom ROUTES names, and the same as text. What is no mention rings nobody.
func mentions(all []string) (elements []slack.RichTextSectionElement, words string) {
	var texts []string
	add := func(e slack.RichTextSectionElement, word string) {
		if len(elements) > 0 {
			elements = append(elements, text(" "))
		}
		elements, texts = append(elements, e), append(texts, word)
	}
	for _, m := range all {
		switch {
		case m == mentionHere:
			add(slack.NewRichTextSectionBroadcastElement("here"), "<!here>")
		case mentionedUser.MatchString(m):
			add(slack.NewRichTextSectionUserElement(m, nil), "<@"+m+">")
		case mentionedGroup.MatchString(m):
			add(slack.NewRichTextSectionUserGroupElement(m), "<!subteam^"+m+">")
		}
	}
	return elements, strings.Join(texts, " ")
}

// ringing is a text with mentions after it: what it says makes room for them.
func ringing(s string, all []string, most int) string {
	_, words := mentions(all)
	if words == "" {
		return escape(s, most)
	}
	return strings.TrimSpace(escape(s, most-len(words)-1) + " " + words)
}

package message

import (
	"strings"
	"testing"
)

func TestListed(t *testing.T) {
	table := &Table{Head: []string{"Type", "Nodes", "Cost"}, Rows: [][]string{{"m5.large spot", "3", "$0.29/h"}, {"other", "", "–"}}}
	m := Message{Icon: "📋", Headline: "prod: 4 nodes", Parts: []Part{{Heading: "By type", Table: table},
		{Chart: &Chart{By: "type"}, Alt: "Nodes by type: 4 at most."}}, Wide: &Message{}}
	text := m.Listed().String()
	for _, want := range []string{"By type\n• m5.large spot: Nodes 3, Cost $0.29/h\n• other: Cost –\n", "Nodes by type: 4 at most."} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "|") || strings.Contains(text, "[chart") || m.Listed().Wide != nil {
		t.Errorf("there is a table or a chart left:\n%s", text)
	}
	if m.Parts[0].Table == nil || len(m.Parts[0].Lines) > 0 || m.Wide == nil {
		t.Error("the message itself was changed")
	}
}

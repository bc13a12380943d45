package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rollcall/internal/query"
)

// ownLabels are the keys of labels that hardly any two nodes have alike. They are kept with
// their node; all others are kept once for every set of nodes that share them. A key that is
// missing here costs room and time, nothing else.
var ownLabels = []string{
	"kubernetes.io/hostname",
	"alpha.eksctl.io/instance-id",
	"doks.digitalocean.com/node-id",
	"ibm-cloud.kubernetes.io/worker-id",
	"ibm-cloud.kubernetes.io/internal-ip",
	"ibm-cloud.kubernetes.io/external-ip",
	"k8s.scaleway.com/node",
	"lke.linode.com/node-id",
	"displayName", // Oracle, as the next two
	"hostname",
	"internal_addr",
}

const (
	findLabelsSQL   = `SELECT id FROM label_sets WHERE hash = ? AND labels = ?`
	insertLabelsSQL = `INSERT INTO label_sets (hash, labels) VALUES (?, ?) RETURNING id`
)

// storeLabels returns the set of the labels that a node shares, which is made if it is new, and
// its own ones as JSON.
func storeLabels(ctx context.Context, tx tx, labels map[string]string) (set int64, own string, err error) {
	shared, mine := labels, map[string]string(nil)
	for _, key := range ownLabels {
		v, ok := labels[key]
		if !ok {
			continue
		}
		if mine == nil {
			shared, mine = maps.Clone(labels), map[string]string{}
		}
		mine[key] = v
		delete(shared, key)
	}
	text, err := labelJSON(shared)
	if err != nil {
		return 0, "", err
	}
	if own, err = labelJSON(mine); err != nil {
		return 0, "", err
	}
	h := fnv.New64a()
	h.Write([]byte(text))
	hash := int64(h.Sum64())
	set, ok, err := one(ctx, tx, value[int64], findLabelsSQL, hash, text)
	if err == nil && !ok {
		set, _, err = one(ctx, tx, value[int64], insertLabelsSQL, hash, text)
	}
	return set, own, err
}

// labelJSON is the labels as an object sorted by key, without spaces and without escapes of
// HTML: labelValue relies on that.
func labelJSON(labels map[string]string) (string, error) {
	if len(labels) == 0 {
		return "{}", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(labels)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// joinLabels returns the labels of a node; nil if it has none.
func joinLabels(shared, own string) (labels map[string]string, err error) {
	for _, text := range []string{shared, own} {
		if text == "{}" {
			continue
		}
		if err := json.Unmarshal([]byte(text), &labels); err != nil {
			return nil, err
		}
	}
	return labels, nil
}

// quoteKey returns what stands before a label's value in what labelJSON writes: "key":".
func quoteKey(key string) string {
	text, err := labelJSON(map[string]string{key: ""})
	if err != nil {
		return "\x00" // which no JSON contains
	}
	return text[1 : len(text)-2]
}

// labelValue returns a label's value from what labelJSON wrote, without reading all of it.
func labelValue(text, quoted string) (value string, ok bool) {
	// Inside a string every quote has a backslash before it, so what follows a brace or a
	// comma with a quote is a key.
	i := 1
	if !strings.HasPrefix(text[i:], quoted) {
		at := strings.Index(text, ","+quoted)
		if at < 0 {
			return "", false
		}
		i = at + 1
	}
	start := i + len(quoted)
	end := start
	for text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	value = text[start:end]
	if strings.IndexByte(value, '\\') >= 0 {
		if json.Unmarshal([]byte(text[start-1:end+1]), &value) != nil {
			return "", false
		}
	}
	return value, true
}

// labelOf is what a set says of one label.
type labelOf struct {
	value string
	ok    bool // it has the label
}

// labelCache remembers what sets say of the labels that people ask for: they ask again, page by
// page and group by group, and a set never changes. The zero value is ready for use.
type labelCache struct {
	mu    sync.Mutex
	byKey map[string]map[int64]labelOf // guarded by mu
	n     int                          // how many labelOf are in byKey; guarded by mu
}

// maxCachedLabels bounds the cache, at some 60 bytes each.
const maxCachedLabels = 50000

// labelsOf returns what sets say of labels, by key and set.
func (l *Ledger) labelsOf(ctx context.Context, sets []int64, keys []string) (map[string]map[int64]labelOf, error) {
	c := &l.labels
	values := map[string]map[int64]labelOf{}
	unknown := map[int64]bool{}
	c.mu.Lock()
	for _, key := range keys {
		values[key] = make(map[int64]labelOf, len(sets))
		for _, set := range sets {
			if v, ok := c.byKey[key][set]; ok {
				values[key][set] = v
			} else {
				unknown[set] = true
			}
		}
	}
	c.mu.Unlock()
	if len(unknown) == 0 {
		return values, nil
	}
	quoted := make([]string, len(keys))
	for i, key := range keys {
		quoted[i] = quoteKey(key)
	}
	type labelSet struct {
		id   int64
		text sql.RawBytes // valid until the next row
	}
	for set, err := range each(ctx, l.r, func(r row) (s labelSet, err error) {
		err = r.Scan(&s.id, &s.text)
		return s, err
	}, `SELECT id, labels FROM label_sets WHERE `+l.sql.in(`id`), l.sql.list(slices.Sorted(maps.Keys(unknown)))) {
		if err != nil {
			return nil, err
		}
		labels := string(set.text)
		for i, key := range keys {
			v, ok := labelValue(labels, quoted[i])
			values[key][set.id] = labelOf{strings.Clone(v), ok} // without the rest of the text
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n+len(unknown)*len(keys) > maxCachedLabels {
		c.byKey, c.n = nil, 0
	}
	if len(unknown)*len(keys) > maxCachedLabels {
		return values, nil
	}
	if c.byKey == nil {
		c.byKey = map[string]map[int64]labelOf{}
	}
	for key, bySet := range values {
		if c.byKey[key] == nil {
			c.byKey[key] = map[int64]labelOf{}
		}
		for set := range unknown {
			if v, ok := bySet[set]; ok {
				c.byKey[key][set] = v
			}
		}
	}
	c.n = 0
	for _, bySet := range c.byKey {
		c.n += len(bySet)
	}
	return values, nil
}

// meets reports whether the label, which may be missing, meets a requirement, as kubectl decides it.
func (l labelOf) meets(r query.LabelRequirement) bool {
	switch r.Operator {
	case query.LabelIn:
		return l.ok && slices.Contains(r.Values, l.value)
	case query.LabelNotIn:
		return !l.ok || !slices.Contains(r.Values, l.value)
	case query.LabelExists:
		return l.ok
	case query.LabelDoesNotExist:
		return !l.ok
	case query.LabelGt, query.LabelLt:
		have, err := strconv.ParseInt(l.value, 10, 64)
		want, err2 := intValue(r.Values)
		if !l.ok || err != nil || err2 != nil {
			return false
		}
		return r.Operator == query.LabelGt && have > want || r.Operator == query.LabelLt && have < want
	}
	return false
}

// intValue returns the integer of a requirement with LabelGt or LabelLt.
func intValue(values []string) (int64, error) {
	if len(values) != 1 {
		return 0, errors.New("not one value")
	}
	return strconv.ParseInt(values[0], 10, 64)
}

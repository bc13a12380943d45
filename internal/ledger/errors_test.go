package ledger

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// Every method that can fail says what it was doing, once, and passes on why.
func TestErrorsSayWhatWasBeingDone(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		shut bool
		why  string // the error ends with it
	}{
		{"the caller has given up", ended, false, context.Canceled.Error()},
		{"the ledger is closed", t.Context(), true, "sql: database is closed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := fresh(t)
			if tc.shut {
				check(t, l.Close())
			}
			asked := 0
			v := reflect.ValueOf(l)
			for i := range v.NumMethod() {
				name := v.Type().Method(i).Name
				switch name {
				case "Run", "Close": // Run logs its errors; closing again is no error
					continue
				}
				err, fails := call(v.Method(i), tc.ctx)
				if !fails {
					continue
				}
				asked++
				if err == nil {
					t.Errorf("%s succeeded", name)
					continue
				}
				words, ok := strings.CutSuffix(err.Error(), ": "+tc.why)
				if !ok || len(strings.Fields(words)) < 2 || strings.Contains(words, ": ") {
					t.Errorf("%s: %v", name, err)
				}
				if !tc.shut && !errors.Is(err, context.Canceled) {
					t.Errorf("%s hides why it failed: %v", name, err)
				}
			}
			if asked < 45 {
				t.Errorf("only %d methods can fail", asked)
			}
		})
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere", "rollcall.db")
	_, err := Open(t.Context(), nowhere, Options{})
	_, err2 := OpenToRead(t.Context(), nowhere)
	_, err3 := Restore(t.Context(), nowhere, nowhere, t0)
	for _, err := range []error{err, err2, err3, Backup(t.Context(), nowhere, nowhere+".copy")} {
		if err == nil || !strings.Contains(err.Error(), "ledger "+nowhere) {
			t.Errorf("%v", err)
		}
	}
}

// call calls a method with arguments that ask for something. It returns its error, and whether it
// has one: as its last result, or in a sequence.
func call(m reflect.Value, ctx context.Context) (err error, fails bool) {
	var args []reflect.Value
	for i := range m.Type().NumIn() {
		if m.Type().IsVariadic() && i == m.Type().NumIn()-1 {
			break
		}
		args = append(args, argument(m.Type().In(i), ctx))
	}
	results := m.Call(args)
	last := results[len(results)-1]
	switch x := last.Interface().(type) {
	case iter.Seq2[fleet.Life, error]:
		for _, err = range x {
		}
		return err, true
	case iter.Seq2[fleet.Event, error]:
		for _, err = range x {
		}
		return err, true
	case error:
		return x, true
	}
	return nil, last.Type() == reflect.TypeFor[error]()
}

func argument(of reflect.Type, ctx context.Context) reflect.Value {
	switch of {
	case reflect.TypeFor[context.Context]():
		return reflect.ValueOf(ctx)
	case reflect.TypeFor[string]():
		return reflect.ValueOf("prod")
	case reflect.TypeFor[int]():
		return reflect.ValueOf(5)
	case reflect.TypeFor[time.Time]():
		return reflect.ValueOf(t0)
	case reflect.TypeFor[wave.Mute]():
		return reflect.ValueOf(mute("click"))
	case reflect.TypeFor[wave.Wave]():
		return reflect.ValueOf(wave.Wave{Cluster: "prod", Members: []wave.Member{{Came: fleet.Explanation{Cause: fleet.Cause{
			Kind: fleet.Replacement, By: "Karpenter", Why: "drifted"}}}}})
	case reflect.TypeFor[func(string) bool]():
		return reflect.ValueOf(func(string) bool { return true })
	}
	return reflect.Zero(of)
}

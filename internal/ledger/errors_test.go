package ledger

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// Every method says what it was doing when the database does not answer.
func TestErrorsSayWhatWasBeingDone(t *testing.T) {
	l := fresh(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := reflect.ValueOf(l)
	asked := 0
	for i := range v.NumMethod() {
		m, name := v.Method(i), v.Type().Method(i).Name
		if m.Type().NumIn() == 0 || m.Type().In(0) != reflect.TypeFor[context.Context]() || name == "Run" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(ctx)}
		for j := 1; j < m.Type().NumIn(); j++ {
			if m.Type().IsVariadic() && j == m.Type().NumIn()-1 {
				break
			}
			args = append(args, some1(m.Type().In(j)))
		}
		asked++
		err := errorOf(m.Call(args))
		if err == nil || !strings.Contains(err.Error(), ": ") || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked < 40 {
		t.Errorf("only %d methods were asked", asked)
	}
}

// some1 is a value of a type that asks for something.
func some1(of reflect.Type) reflect.Value {
	switch of {
	case reflect.TypeFor[string]():
		return reflect.ValueOf("prod")
	case reflect.TypeFor[wave.Mute]():
		return reflect.ValueOf(wave.Mute{Request: "r"})
	case reflect.TypeFor[[]fleet.Event]():
		return reflect.ValueOf([]fleet.Event{{UID: "e"}})
	case reflect.TypeFor[time.Time]():
		return reflect.ValueOf(t0)
	case reflect.TypeFor[int]():
		return reflect.ValueOf(5)
	case reflect.TypeFor[func(string) bool]():
		return reflect.ValueOf(func(string) bool { return true })
	}
	return reflect.New(of).Elem()
}

// errorOf is the error among what a method returns, or the one that a sequence yields.
func errorOf(results []reflect.Value) error {
	last := results[len(results)-1].Interface()
	switch x := last.(type) {
	case error:
		return x
	case iter.Seq2[fleet.Life, error]:
		for _, err := range x {
			return err
		}
	case iter.Seq2[fleet.Event, error]:
		for _, err := range x {
			return err
		}
	}
	return nil
}

package telemetry

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

// TestEncode wants every field to be read again as it was, by a package that knows
// nothing of how it was written: a field that is added must be written, too.
func TestEncode(t *testing.T) {
	var full Record
	fillIn(t, reflect.ValueOf(&full).Elem())
	for name, want := range map[string]Record{
		"full": full, "empty": {},
		"odd": {Op: "a\"b\\c\n<&>é\xff\u2028", Guard: 1e-7, Took: math.MaxInt64, Time: time.Unix(1, 5).UTC(), Counts: map[string]int64{"<": -1}},
	} {
		var got, usual Record
		if err := json.Unmarshal(want.encode(), &got); err != nil {
			t.Errorf("%s: %v in %s", name, err, want.encode())
			continue
		}
		if err := json.Unmarshal(mustJSON(t, &want), &usual); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, usual) {
			t.Errorf("%s: %+v was written as %s", name, usual, want.encode())
		}
	}
}

// fillIn gives every field a value.
func fillIn(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(2.5)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillIn(t, v.Index(0))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"a": 1, "b": 2}))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 123).UTC()))
			return
		}
		for i := range v.NumField() {
			fillIn(t, v.Field(i))
		}
	default:
		t.Fatalf("cannot fill in a %s", v.Kind())
	}
}

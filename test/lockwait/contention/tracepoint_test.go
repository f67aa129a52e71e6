package contention

import "testing"

const format = `name: contention_begin
ID: 408
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:void * lock_addr;	offset:8;	size:8;	signed:0;
	field:unsigned int flags;	offset:16;	size:4;	signed:0;

print fmt: "%p (flags=%s)", REC->lock_addr
`

func TestParseFormat(t *testing.T) {
	p, err := parseFormat(format, "lock_addr", "flags")
	if err != nil || p.id != 408 || p.offset["lock_addr"] != 8 || p.offset["flags"] != 16 {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, text := range []string{"", "ID: x", "ID: 5\nfield:int flags;", "ID: 5\nfield:int flags; offset:x;"} {
		if p, err := parseFormat(text, "flags"); err == nil {
			t.Errorf("%q gave %+v", text, p)
		}
	}
}

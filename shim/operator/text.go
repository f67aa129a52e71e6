package operator

import (
	"fmt"
	"strings"
)

// width is how many columns text has.
const width = 80

// page is text under construction.
type page struct{ strings.Builder }

// heading starts a section.
func (p *page) heading(text string) {
	if p.Len() > 0 {
		p.WriteByte('\n')
	}
	p.WriteString(text + "\n")
}

// item is a label and a text, which goes on below itself.
func (p *page) item(label, text string) {
	const column = 16
	p.wrap(fmt.Sprintf("  %-*s", column-2, label), strings.Repeat(" ", column), text)
}

// wrap writes text in lines of at most width columns, if its words allow. The
// first line begins with first, the others with rest.
func (p *page) wrap(first, rest, text string) {
	line := first
	empty := true
	for word := range strings.FieldsSeq(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > width {
			p.WriteString(strings.TrimRight(line, " ") + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	p.WriteString(strings.TrimRight(line, " ") + "\n")
}

// verbatim writes lines as they are, indented.
func (p *page) verbatim(indent, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		p.WriteString(indent + line + "\n")
	}
}

package harness

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/containerd/api/events"
	"github.com/containerd/typeurl/v2"
)

// Event is a task event in the order in which containerd published it.
type Event struct {
	Topic     string // as "/tasks/start"
	Container string
	Exec      string // id of the exec; of an exit the id of the process that ended
	PID       uint32
	Status    uint32 // exit status
	Message   any    // the message itself
}

// Events records the task events of a node from now on until ctx ends.
type Events struct {
	mu   sync.Mutex
	seen []Event
	err  error
}

// probeTopic is that of the events by which Record sees that it gets events.
const probeTopic = "/tasks/probe"

// Record subscribes to the task events. It returns when the subscription holds.
func (n *Node) Record(ctx context.Context) (*Events, error) {
	r := new(Events)
	holds, once := make(chan struct{}), sync.Once{}
	messages, errs := n.Client().Subscribe(n.Context(ctx), `topic~="/tasks/"`)
	go func() {
		for {
			select {
			case m := <-messages:
				if m.Topic == probeTopic {
					once.Do(func() { close(holds) })
					continue
				}
				r.add(m.Topic, m.Event)
			case err := <-errs:
				r.mu.Lock()
				defer r.mu.Unlock()
				r.err = err
				return
			}
		}
	}()
	return r, n.probe(ctx, holds)
}

// probe publishes events until one has arrived: containerd does not say when
// a subscription begins.
func (n *Node) probe(ctx context.Context, arrived <-chan struct{}) error {
	for {
		if err := n.Client().EventService().Publish(n.Context(ctx), probeTopic, &events.TaskOOM{ContainerID: "probe"}); err != nil {
			return fmt.Errorf("cannot publish an event: %w", err)
		}
		select {
		case <-arrived:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (r *Events) add(topic string, message typeurl.Any) {
	decoded, err := typeurl.UnmarshalAny(message)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.err = fmt.Errorf("cannot decode an event of topic %s: %w", topic, err)
		return
	}
	e := Event{Topic: topic, Message: decoded}
	switch m := decoded.(type) {
	case *events.TaskCreate:
		e.Container, e.PID = m.ContainerID, m.Pid
	case *events.TaskStart:
		e.Container, e.PID = m.ContainerID, m.Pid
	case *events.TaskExecAdded:
		e.Container, e.Exec = m.ContainerID, m.ExecID
	case *events.TaskExecStarted:
		e.Container, e.Exec, e.PID = m.ContainerID, m.ExecID, m.Pid
	case *events.TaskExit:
		e.Container, e.Exec, e.PID, e.Status = m.ContainerID, m.ID, m.Pid, m.ExitStatus
	case *events.TaskDelete:
		e.Container, e.Exec, e.PID, e.Status = m.ContainerID, m.ID, m.Pid, m.ExitStatus
	case *events.TaskOOM:
		e.Container = m.ContainerID
	case *events.TaskPaused:
		e.Container = m.ContainerID
	case *events.TaskResumed:
		e.Container = m.ContainerID
	case *events.TaskCheckpointed:
		e.Container = m.ContainerID
	}
	r.seen = append(r.seen, e)
}

// Of returns the events of one container so far, in order.
func (r *Events) Of(container string) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Event
	for _, e := range r.seen {
		if e.Container == container {
			found = append(found, e)
		}
	}
	return found
}

// Topics returns the topics of a container's events so far, in order.
func (r *Events) Topics(container string) []string {
	var topics []string
	for _, e := range r.Of(container) {
		topics = append(topics, e.Topic)
	}
	return topics
}

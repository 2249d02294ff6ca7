package host

import "github.com/tandem-iot/tandem/store/record"

// rescue takes what pairs have of their agents when they are abandoned because the database
// went back in time.
type rescue struct {
	held chan record.Rescue
	done chan struct{} // closed when all pairs have been dropped
}

// Rescue is Abandon for a host whose database went back in time: before an agent is dropped,
// save gets what the host has of it in memory. save is called by one goroutine, with some
// agents at a time; when it returns, Rescue goes on.
func (h *Host) Rescue(save func([]record.Rescue)) {
	r := &rescue{held: make(chan record.Rescue, rescueBatch), done: make(chan struct{})}
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		for list := r.next(); len(list) > 0; list = r.next() {
			save(list)
		}
	}()
	h.rescue.Store(r)
	h.Abandon()
	h.rescue.Store(nil)
	close(r.done)
	<-saved
}

// next returns some agents, none when there are no more.
func (r *rescue) next() (list []record.Rescue) {
	select {
	case first := <-r.held:
		list = append(list, first)
	case <-r.done:
	}
	for len(list) < rescueBatch {
		select {
		case more := <-r.held:
			list = append(list, more)
		default:
			return list
		}
	}
	return list
}

// rescueBatch is how many agents are saved at a time.
const rescueBatch = 128

// hold passes on what the pair has, when the host rescues its agents.
func (p *pair) hold() {
	r := p.host.rescue.Load()
	if r == nil || p.deleted.Load() {
		return
	}
	if held, ok := p.life.Held(); ok {
		select {
		case r.held <- held:
		case <-r.done:
		}
	}
}

// Deployments returns the deployments that the host's agents run, by device group.
func (h *Host) Deployments() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]string{}
	for group, p := range h.programs {
		if id := p.deployment.Load(); id != nil {
			all[group] = *id
		}
	}
	return all
}

package life

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// request takes an HTTP request.
func (l *Life) request(ev *Request) {
	r := &pending{Number: ev.Number, Origin: ev.Origin, Since: nonzero(l.mono()), token: ev.Token}
	if l.Phase == quarantined {
		l.finish(r, nil, errQuarantined)
		return
	}
	r.event = agent.Request{ID: ev.Number, Request: ev.Request}
	l.await(r)
	l.push(item{event: &r.event, request: ev.Number})
	if l.quiet && l.Phase == delayed {
		l.remove(r)
		l.finish(r, nil, errDamaged)
	}
}

func (l *Life) await(r *pending) {
	if l.open == nil {
		l.open = map[uint64]*pending{}
	}
	l.open[r.Number] = r
	l.answer.add(r, len(l.open))
	l.reach.add(r, len(l.open))
}

func waits(r *pending) bool       { return !r.done }
func waitsUnseen(r *pending) bool { return !r.done && !r.Begun }

// waiting returns the requests that wait, in the order in which they came.
func (l *Life) waiting() []*pending {
	list := make([]*pending, 0, len(l.open))
	for _, r := range l.answer {
		if !r.done {
			list = append(list, r)
		}
	}
	return list
}

// gaveUp forgets a request. What the agent has not seen yet it never will, and
// the memory that it takes is free.
func (l *Life) gaveUp(number uint64) {
	if r := l.open[number]; r != nil {
		l.remove(r)
		l.forget(r.token)
	}
}

// remove ends the wait of a request.
func (l *Life) remove(r *pending) {
	r.done = true
	delete(l.open, r.Number)
	if !r.Begun && l.requests > 0 {
		l.drop(func(it item) bool { return it.request == r.Number })
	}
}

// answerTo ends the wait for a request. Answers to requests that have given up
// are dropped.
func (l *Life) answerTo(number uint64, response *tandem.Response, err error) {
	if r := l.open[number]; r != nil {
		l.remove(r)
		l.finish(r, response, err)
	}
}

func (l *Life) finish(r *pending, response *tandem.Response, err error) {
	if r.Away {
		l.emit(&AnswerAway{r.Origin, response, err})
		return
	}
	r.answer = Answer{r.token, response, err}
	l.emit(&r.answer)
}

// expire refuses the requests whose patience has ended: with an agent that is not
// there to take them, or that does not answer.
func (l *Life) expire() {
	for {
		r := l.reach.first(waitsUnseen)
		if r == nil || !l.due(r.Since+instant(tandem.PlacementWait)) {
			break
		}
		l.over(tandem.OverPlacementWait)
		l.remove(r)
		l.finish(r, nil, errNotReached)
	}
	for {
		r := l.answer.first(waits)
		if r == nil || !l.due(r.Since+instant(tandem.AnswerWait)) {
			return
		}
		l.over(tandem.OverAnswerWait)
		l.remove(r)
		l.finish(r, nil, errNoAnswer)
	}
}

// refuseBegun answers the requests that an incarnation has seen and took with it.
// They are not given to the next one: whether they had an effect already cannot
// be known.
func (l *Life) refuseBegun(reason tandem.Reason) {
	for _, r := range l.waiting() {
		if r.Begun {
			l.remove(r)
			l.finish(r, &tandem.Response{
				Status:  502,
				Headers: []tandem.Header{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}},
				Body:    restartedText(reason),
			}, nil)
		}
	}
}

// refuseWaiting answers all requests with an error.
func (l *Life) refuseWaiting(err error) {
	for _, r := range l.waiting() {
		l.remove(r)
		l.finish(r, nil, err)
	}
	l.forgetRequests()
}

func (l *Life) forgetRequests() {
	l.open, l.Requests = nil, nil
	l.answer, l.reach = nil, nil
	l.drop(func(it item) bool { return it.request != 0 })
}

// refuseAll answers everything that waits for an agent that has no code. What
// the device has posted waits until there is some.
func (l *Life) refuseAll() {
	inbox := l.Inbox
	l.Inbox = nil
	for _, it := range inbox {
		switch {
		case it.isPost():
			l.Unread = append(l.Unread, it)
			continue
		case it.request != 0:
			l.count(it, -1)
			l.answerTo(it.request, nil, errNoCode)
		default:
			l.count(it, -1)
			l.handled(it.token)
		}
	}
}

// Pending returns how many requests wait for an answer: those that the agent has
// seen, and those that it has not.
func (l *Life) Pending() (seen, unseen int) {
	for _, r := range l.open {
		if r.Begun {
			seen++
		} else {
			unseen++
		}
	}
	return seen, unseen
}

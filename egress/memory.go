package egress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

// Limits of the bytes of responses that are being received or that agents have not handled.
// Beyond them responses wait: no more is read from their servers, and their time runs. Small
// responses are not counted, because the number of requests limits them.
const (
	responsesOfAll   = 64 << 20
	responsesOfAgent = responsesOfAll / 8
	leastRoom        = 4 << 20 // so that an agent that has no response has room for one
	smallResponse    = 16 << 10
)

// heldAtMost is the time after which a response does not count any more, handled or not. An
// agent that takes as long has its own limit of requests under way.
const heldAtMost = 10 * time.Minute

// WaitedForMemory returns how many responses had to wait for room.
func (x *Fetcher) WaitedForMemory() int64 {
	x.once.Do(x.setUp)
	return x.memory.Waited()
}

// Idle closes the connections that are kept for later requests.
func (x *Fetcher) Idle() {
	x.once.Do(x.setUp)
	x.trusting.CloseIdleConnections()
	x.validating.CloseIdleConnections()
}

// receive reads the body of a response into out. The room it takes is given back when out
// is released.
func (x *Fetcher) receive(ctx context.Context, agent tandem.AgentID, resp *http.Response, out *tandem.Response) error {
	if resp.ContentLength > tandem.FetchBodySize {
		return errTooLarge
	}
	header := headerBytes(out.Headers)
	start := int64(smallResponse)
	if resp.ContentLength >= 0 {
		start = min(start, resp.ContentLength)
	}
	// There is room for more than the announced length, so that the end is read without growing the buffer.
	body := bytes.NewBuffer(make([]byte, 0, start+bytes.MinRead))
	n, err := body.ReadFrom(io.LimitReader(resp.Body, smallResponse))
	if err != nil || n < smallResponse && header < smallResponse {
		out.Body = body.Bytes()
		return err
	}
	// It takes all it may need at once; see admit.Queue.
	need := int64(tandem.FetchBodySize) + 1
	if resp.ContentLength >= 0 {
		need = resp.ContentLength
	}
	need += header
	taken, err := x.memory.Take(ctx, agent, need)
	if err != nil {
		return err
	}
	if resp.ContentLength >= 0 {
		body.Grow(int(resp.ContentLength-n) + bytes.MinRead)
	}
	_, err = body.ReadFrom(io.LimitReader(resp.Body, tandem.FetchBodySize+1-n))
	if err == nil && body.Len() > tandem.FetchBodySize {
		err = errTooLarge
	}
	if err != nil {
		x.memory.Give(agent, taken)
		return err
	}
	out.Body = body.Bytes()
	x.keep(agent, taken, header, out)
	return nil
}

// keep gives back the room that a response has not needed, and the rest when it has been
// handled.
func (x *Fetcher) keep(agent tandem.AgentID, taken, header int64, out *tandem.Response) {
	held := min(taken, int64(len(out.Body))+header)
	if taken > held {
		x.memory.Give(agent, taken-held)
	}
	var once sync.Once
	give := func() { once.Do(func() { x.memory.Give(agent, held) }) }
	timer := time.AfterFunc(heldAtMost, give)
	out.Hold(func() { timer.Stop(); give() })
}

// headerBytes returns the bytes of header lines in memory, or so.
func headerBytes(list []tandem.Header) (n int64) {
	for _, h := range list {
		n += int64(len(h.Name) + len(h.Value) + 32)
	}
	return n
}

// newMemory returns the room for responses; 0 bytes are as many as usual.
func newMemory(room int64) *admit.Queue[tandem.AgentID] {
	all := int64(responsesOfAll)
	if room > 0 {
		all = max(room, leastRoom)
	}
	return admit.NewQueue[tandem.AgentID](all, all/8)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// A register is an agent whose value several callers write and read at the same time, each
// through any node. Its history must be linearisable: possible with a single copy of the
// value.
type register struct {
	*subject
	next atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
	open    []porcupine.Operation // writes of earlier windows with unknown outcome
}

// write and read are a register's inputs; a read's output is an int64.
type registerInput struct {
	write bool
	value int64
}

// anything is the state before the first operation of a window.
const anything = int64(-1)

var registerModel = porcupine.Model{
	Init: func() any { return anything },
	Step: func(state, input, output any) (bool, any) {
		in := input.(registerInput)
		if in.write {
			return true, in.value
		}
		return state == anything || state == output, output
	},
	DescribeOperation: func(input, output any) string {
		if in := input.(registerInput); in.write {
			return fmt.Sprintf("write %d", in.value)
		}
		return fmt.Sprintf("read %d", output)
	},
}

const (
	registerPause    = 200 * time.Millisecond // after a failure
	registerCallers  = 3
	registerPatience = 5 * time.Second  // limit of one request
	checkPatience    = 20 * time.Second // limit of the checker, whose time is unbounded
)

// registers get requests in windows, between which the histories are checked.
type registers struct {
	load *load
	list []*register
	work sync.WaitGroup
	stop context.CancelFunc

	checked, undecided int64
}

func (r *registers) begin(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	for i, reg := range r.list {
		for c := range registerCallers {
			r.work.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), uint64(c)))
				for ctx.Err() == nil {
					// A request that has begun is completed, because its outcome is
					// needed.
					r.once(context.WithoutCancel(ctx), reg, c, random)
					<-time.After(time.Duration(10+random.IntN(40)) * time.Millisecond)
				}
			})
		}
	}
}

func (r *registers) once(ctx context.Context, reg *register, caller int, random *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, registerPatience)
	defer cancel()
	n := r.load.door(random)
	in := registerInput{}
	method := http.MethodGet
	path := "/read"
	if random.IntN(2) == 0 {
		in = registerInput{write: true, value: reg.next.Add(1)}
		method, path = http.MethodPost, fmt.Sprint("/write?v=", in.value)
	}
	op := porcupine.Operation{ClientId: caller, Input: in, Call: time.Now().UnixNano()}
	body, err := r.load.lab.call(ctx, n, reg.subject, method, path)
	op.Return = time.Now().UnixNano()
	switch {
	case err != nil && !in.write:
		return
	case dialled(err): // the request was not sent
		<-time.After(registerPause)
		return
	case err != nil:
		<-time.After(registerPause)
		op.Return = math.MaxInt64 // it may have had its effect, or may still have it
	case !in.write:
		value, err := strconv.ParseInt(body, 10, 64)
		if err != nil {
			r.load.fail(fmt.Errorf("register %s answers %q", reg.id, body))
			return
		}
		op.Output = value
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	reg.history = append(reg.history, op)
}

// check ends a window and checks its histories.
func (r *registers) check() error {
	r.stop()
	r.work.Wait()
	var errs []error
	for _, reg := range r.list {
		r.checked += int64(len(reg.history))
		ops := reg.window()
		switch porcupine.CheckOperationsTimeout(registerModel, ops, checkPatience) {
		case porcupine.Illegal:
			errs = append(errs, fmt.Errorf("the history of register %s is not linearisable:\n%s", reg.id, describe(ops)))
		case porcupine.Unknown:
			r.undecided++
		}
	}
	return errors.Join(errs...)
}

// window ends a window and returns the operations to check: those of the window, and
// earlier writes of unknown outcome whose values were read in it.
//
// Such a write may take effect windows later: after its caller has given up, it is still
// in the send buffer of the connection, and is sent again when the network is back. It is
// kept until its value is read: then it has had its effect, and cannot have another.
func (reg *register) window() (ops []porcupine.Operation) {
	read := map[int64]bool{}
	for _, op := range reg.history {
		if !op.Input.(registerInput).write {
			read[op.Output.(int64)] = true
		}
	}
	var open []porcupine.Operation
	for _, op := range append(reg.open, reg.history...) {
		if op.Return == math.MaxInt64 && !read[op.Input.(registerInput).value] {
			open = append(open, op) // without effect so far; including it would only make checking slower
		} else {
			ops = append(ops, op)
		}
	}
	reg.open, reg.history = open, nil
	return ops
}

// dialled reports whether an error means that no connection was made.
func dialled(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func describe(ops []porcupine.Operation) (text string) {
	for _, op := range ops {
		end := "?"
		if op.Return != math.MaxInt64 {
			end = time.Unix(0, op.Return).Format("15:04:05.000000")
		}
		text += fmt.Sprintf("  %s - %s  caller %d  %s\n", time.Unix(0, op.Call).Format("15:04:05.000000"), end,
			op.ClientId, registerModel.DescribeOperation(op.Input, op.Output))
	}
	return text
}

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

// A register is an agent whose value several callers write and read at the same
// time, each through whatever node. Its history must be one that a single copy
// could have made (linearisable).
type register struct {
	*subject
	next atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
	open    []porcupine.Operation // writes of earlier windows whose outcome nobody knows
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
	registerPatience = 5 * time.Second  // for one answer
	checkPatience    = 20 * time.Second // of the checker, which may take for ever
)

// registers are asked in windows, between which the histories are checked.
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
					// One that has begun is finished: its outcome matters.
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
	in, method, path := registerInput{}, http.MethodGet, "/read"
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
	case dialled(err): // it was not even said
		<-time.After(registerPause)
		return
	case err != nil:
		<-time.After(registerPause)
		op.Return = math.MaxInt64 // it may have had its effect, or have it yet
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

// check ends a window and looks at what has come of it.
func (r *registers) check() error {
	r.stop()
	r.work.Wait()
	var errs []error
	for _, reg := range r.list {
		r.checked += int64(len(reg.history))
		ops := reg.window()
		switch porcupine.CheckOperationsTimeout(registerModel, ops, checkPatience) {
		case porcupine.Illegal:
			errs = append(errs, fmt.Errorf("the history of register %s is none of a single copy:\n%s", reg.id, describe(ops)))
		case porcupine.Unknown:
			r.undecided++
		}
	}
	return errors.Join(errs...)
}

// window ends a window and returns what has to be explained in it: its operations,
// and those writes of unknown outcome that have been read in it.
//
// Such a write may have its effect windows later. Given up by its caller, it is
// still in the send buffer of the connection, and is sent again when the network
// is back. It is kept until it is read: then it has had its effect, and is not
// believed to have another.
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
			open = append(open, op) // as good as not happened; it would only make checking expensive
		} else {
			ops = append(ops, op)
		}
	}
	reg.open, reg.history = open, nil
	return ops
}

// dialled reports whether there was no connection to send the request on.
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
		text += fmt.Sprintf("  %s - %s  caller %d  %s\n", time.Unix(0, op.Call).Format("15:04:05.000000"), end, op.ClientId, registerModel.DescribeOperation(op.Input, op.Output))
	}
	return text
}

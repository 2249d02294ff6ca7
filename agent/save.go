package agent

import (
	"fmt"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Formats of server.save.
const (
	saveJSON   = 1
	saveBinary = 2
)

// savedTable ends the wait of server.save.
func (m *Machine) savedTable(err error) imp.Outcome {
	if m.core.Waiting() != waitSave {
		return imp.Done // it belongs to an earlier run of the program
	}
	table := m.saving
	m.saving = nil
	if err != nil {
		m.core.Complain(fmt.Sprintf("server.save: %v", err), squirrel.Null)
		return m.core.Resume(squirrel.Int(imp.SendTimeout))
	}
	m.saved, m.kept = table, m.mark // no message has been handled meanwhile
	return m.core.Resume(squirrel.Int(0))
}

func serverSave(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	if err := call.Charge(durableCost); err != nil {
		return squirrel.Null, err
	}
	if call.Arg(1).Type() != squirrel.TypeTable {
		return call.Errorf("server.save: only a table can be saved, not a value of type %s", call.Arg(1).Type())
	}
	purpose := imp.ForSaveJSON
	if format := call.Arg(2); !format.IsNull() {
		switch format.AsInt() {
		case saveJSON:
		case saveBinary:
			purpose = imp.ForMessage
		default:
			return call.Errorf("server.save: the format is 1 (JSON) or 2 (binary)")
		}
	}
	table, dropped := imp.EncodeMost(nil, call.VM(), call.Arg(1), purpose)
	if table == nil {
		return call.Errorf("server.save: %s", dropped[0])
	}
	if err := call.Charge(nativeCost + len(table)); err != nil {
		return squirrel.Null, err
	}
	if len(dropped) > 0 {
		if err := call.Charge(traceCost); err != nil {
			return squirrel.Null, err
		}
		for _, d := range dropped {
			m.log(true, "server.save: "+d)
		}
		m.core.LogTrace(call.VM().Stack())
	}
	if n := savedSize(table, purpose); n > tandem.SavedTableSize {
		m.over(tandem.OverSavedTable)
		return call.Errorf("server.save: the table has %d bytes, more than %d KB", n, tandem.SavedTableSize>>10)
	}
	m.saving = table
	m.effects = append(m.effects, &Save{Table: table, Mark: m.mark})
	return m.core.Suspend(call, waitSave)
}

// savedSize returns the size of a table in the format in which it is saved. The
// result is exact only where it can exceed the limit.
func savedSize(table []byte, p imp.Purpose) int {
	const growth = 6 // JSON is at most this many times larger
	if p == imp.ForMessage || len(table)*growth <= tandem.SavedTableSize {
		return len(table)
	}
	text, err := codec.TranscodeJSON(table)
	if err != nil {
		panic(err) // the encoder has just made the table
	}
	return len(text)
}

func serverLoad(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	if m.saved == nil {
		return call.VM().NewTable(), nil
	}
	if err := call.Charge(nativeCost + len(m.saved)); err != nil {
		return squirrel.Null, err
	}
	t, err := imp.Decode(call.VM(), m.saved)
	if err != nil {
		return call.Errorf("server.load: %v", err)
	}
	return t, nil
}

// traceCost is the fuel of a call stack in the log.
const traceCost = 10_000

const permanentTable = "permanent" // server.permanent

// setPermanentValues keeps values until the incarnation ends. Values that must
// survive it belong in server.save.
func setPermanentValues(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	table := call.Arg(1)
	if err := call.Charge(nativeCost * (1 + vm.Len(table))); err != nil {
		return squirrel.Null, err
	}
	server := vm.Field(vm.Root(), "server")
	permanent := vm.Field(server, permanentTable)
	if permanent.Type() != squirrel.TypeTable {
		permanent = vm.NewTable()
		vm.SetField(server, permanentTable, permanent)
	}
	if vm.Len(permanent) == 0 && vm.Len(table) > 0 {
		m.core.Complain("server.setpermanentvalues: the values are lost when the agent restarts; use server.save",
			squirrel.Null)
	}
	for i, key, x, ok := vm.Next(table, 0); ok; i, key, x, ok = vm.Next(table, i) {
		vm.Set(permanent, key, x)
	}
	return squirrel.Int(0), nil
}

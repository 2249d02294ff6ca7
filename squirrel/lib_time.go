package squirrel

import "time"

// Dates is how date() differs between hosts.
type Dates uint8

// The kinds of dates.
const (
	StockDates  Dates = iota // any time of 32 bits with a sign
	AgentDates               // as on imps: see impSeconds
	DeviceDates              // the same, without microseconds
)

// AddTime adds clock(), time() and date(), which read the machine's clocks
// (VM.SetClock, VM.SetCounter). A machine has no time zone: local time is UTC. The table that
// date() returns has the slots usec, microseconds, and time, as on imps.
func AddTime(l *Library, d Dates) {
	l.Func("clock", Native{Fn: timeClock})
	l.Func("time", Native{Check: 1, Fn: func(c *Call) (Value, error) {
		sec, _ := c.v.now()
		return Int(int32(sec)), nil
	}})
	mask := ".nn"
	if d != StockDates {
		mask = ".n." // imps ignore the format, which public code gives as 'u' or "u"
	}
	l.Func("date", Native{Check: -1, Mask: mask, Fn: func(c *Call) (Value, error) { return timeDate(c, d) }})
}

// now reads the clock.
func (v *VM) now() (sec, usec int64) {
	if v.clock != nil {
		return v.clock()
	}
	t := time.Now()
	return t.Unix(), int64(t.Nanosecond() / 1000)
}

// clockKey is the key in the registry of the second from which clock() counts.
const clockKey = "clock"

// timeClock returns the seconds since the second in which it was first called, because a
// 32-bit float is not precise enough for more.
func timeClock(c *Call) (Value, error) {
	read := c.v.now
	if c.v.count != nil {
		read = c.v.count
	}
	sec, usec := read()
	start := c.v.Field(c.v.registry, clockKey)
	if start == Null {
		start = Int(int32(sec))
		c.v.SetField(c.v.registry, clockKey, start)
	}
	elapsed := int32(sec) - start.AsInt()
	return Float(float32(float64(elapsed) + float64(usec)/1e6)), nil
}

// The times that date() knows on imps: the years 2000 to 2099.
const (
	firstDate = 946_684_800
	lastDate  = 4_102_444_799
)

// impSeconds returns the time for which date() is asked on imps, whose integers end in
// 2038 with a sign and in 2106 without one. Of a time that is not known every slot is 0.
// Source: https://developer.electricimp.com/node/2324.
func impSeconds(x Value) (sec int64, known bool) {
	if x.isInt() {
		sec = int64(uint32(x.AsInt()))
	} else if f := x.AsFloat(); f >= firstDate && f <= lastDate {
		sec = int64(f)
	}
	return sec, sec >= firstDate && sec <= lastDate
}

func timeDate(c *Call, kind Dates) (Value, error) {
	if err := c.Charge(80); err != nil {
		return Null, err
	}
	sec, usec := c.v.now()
	known := true
	if c.NArgs() > 0 {
		if sec, usec = int64(c.Int(1)), 0; kind != StockDates {
			sec, known = impSeconds(c.Arg(1))
		}
	}
	if kind == DeviceDates {
		usec = 0
	}
	d := time.Unix(sec, 0).UTC()
	t := c.v.newTable(0)
	for _, f := range []struct {
		name string
		n    int
	}{
		{"sec", d.Second()}, {"min", d.Minute()}, {"hour", d.Hour()}, {"day", d.Day()},
		{"month", int(d.Month()) - 1}, {"year", d.Year()}, {"wday", int(d.Weekday())}, {"yday", d.YearDay() - 1},
		{"usec", int(usec)}, {"time", int(sec)},
	} {
		if !known {
			f.n = 0
		}
		c.v.setSlot(t, f.name, Int(int32(f.n)))
	}
	return ref(tagTable, t), nil
}

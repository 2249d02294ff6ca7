package squirrel

import "time"

// AddTime adds clock(), time() and date(), which read the machine's clock
// (VM.SetClock). A machine has no time zone: local time is UTC. The table that
// date() returns has a slot usec, microseconds, as on imps.
func AddTime(l *Library) {
	l.Func("clock", Native{Fn: timeClock})
	l.Func("time", Native{Check: 1, Fn: func(c *Call) (Value, error) {
		sec, _ := c.v.now()
		return Int(int32(sec)), nil
	}})
	l.Func("date", Native{Check: -1, Mask: ".nn", Fn: timeDate})
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
	sec, usec := c.v.now()
	start := c.v.Field(c.v.registry, clockKey)
	if start == Null {
		start = Int(int32(sec))
		c.v.SetField(c.v.registry, clockKey, start)
	}
	elapsed := int32(sec) - start.AsInt()
	return Float(float32(float64(elapsed) + float64(usec)/1e6)), nil
}

func timeDate(c *Call) (Value, error) {
	if err := c.Charge(80); err != nil {
		return Null, err
	}
	sec, usec := c.v.now()
	if c.NArgs() > 0 {
		sec, usec = int64(c.Int(1)), 0
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
		c.v.setSlot(t, f.name, Int(int32(f.n)))
	}
	return ref(tagTable, t), nil
}

package squirrel

// addTableMethods adds the built-in methods of tables.
func addTableMethods(l *Library) {
	add := func(name string, check int, mask string, fn NativeFunc) {
		l.method(TypeTable, Native{Name: name, Check: check, Mask: mask, Fn: fn})
	}
	add("len", 1, "t", func(c *Call) (Value, error) { return Int(int32(c.v.tableLen(c.This().off()))), nil })
	add("rawget", 2, "t", tableRawGet)
	add("rawset", 3, "t", tableRawSet)
	add("rawdelete", 2, "t", tableRawDelete)
	add("rawin", 2, "t", func(c *Call) (Value, error) { return Bool(c.v.has(c.This(), c.Arg(1))), nil })
	add("clear", 1, "t", tableClear)
	add("setdelegate", 2, ".t|o", tableSetDelegate)
	add("getdelegate", 1, "t", func(c *Call) (Value, error) { return *c.v.at(c.This().off() + 3), nil })
	add("weakref", 1, "", weakref)
	add("tostring", 1, ".", toString)
}

func tableRawGet(c *Call) (Value, error) {
	x, ok := c.v.Get(c.This(), c.Arg(1))
	if !ok {
		return c.throwString("the index doesn't exist")
	}
	return x, nil
}

func tableRawSet(c *Call) (Value, error) {
	if c.Arg(1) == Null {
		return c.throwString("null key")
	}
	c.v.tableSet(c.This().off(), c.Arg(1), c.Arg(2))
	return Null, nil
}

func tableRawDelete(c *Call) (Value, error) {
	x, ok := c.v.Get(c.This(), c.Arg(1))
	if ok {
		c.v.Delete(c.This(), c.Arg(1))
	}
	return x, nil
}

func tableClear(c *Call) (Value, error) {
	t := c.This().off()
	if nodes := (*c.v.at(t + 2)).off(); nodes != 0 {
		if err := c.Charge(int(c.v.size(nodes) >> 3)); err != nil {
			return Null, err
		}
	}
	c.v.tableClear(t)
	return Null, nil
}

func tableSetDelegate(c *Call) (Value, error) {
	t, d := c.This(), c.Arg(1)
	if !t.isTable() {
		return c.throwString("invalid type")
	}
	for x := d; x != Null; x = *c.v.at(x.off() + 3) {
		if err := c.Charge(1); err != nil {
			return Null, err
		}
		if x == t {
			return c.throwString("delagate cycle")
		}
	}
	*c.v.at(t.off() + 3) = d
	return t, nil
}

package squirrel

// addClassMethods adds the built-in methods of classes.
func addClassMethods(l *Library) {
	add := func(name string, check int, mask string, fn NativeFunc) {
		l.method(TypeClass, Native{Name: name, Check: check, Mask: mask, Fn: fn})
	}
	add("getattributes", 2, "y.", classGetAttributes)
	add("setattributes", 3, "y..", classSetAttributes)
	add("rawget", 2, "y", memberRawGet)
	add("rawset", 3, "y", classRawSet)
	add("rawin", 2, "y", memberRawIn)
	add("instance", 1, "y", func(c *Call) (Value, error) { return c.v.newInstance(c.This()), nil })
	add("getbase", 1, "y", func(c *Call) (Value, error) { return *c.v.at(c.This().off() + 2), nil })
	add("newmember", -3, "y", classNewMember)
	add("rawnewmember", -3, "y", classRawNewMember)
	add("weakref", 1, "", weakref)
	add("tostring", 1, ".", toString)
}

// addInstanceMethods adds the built-in methods of instances.
func addInstanceMethods(l *Library) {
	add := func(name string, check int, mask string, fn NativeFunc) {
		l.method(TypeInstance, Native{Name: name, Check: check, Mask: mask, Fn: fn})
	}
	add("getclass", 1, "x", func(c *Call) (Value, error) { return *c.v.at(c.This().off() + 1), nil })
	add("rawget", 2, "x", memberRawGet)
	add("rawset", 3, "x", instanceRawSet)
	add("rawin", 2, "x", memberRawIn)
	add("weakref", 1, "", weakref)
	add("tostring", 1, ".", toString)
}

// member finds a member of a class, or of an instance's class.
func (v *VM) member(x, key Value) (m uint32, ok bool) {
	class := x.off()
	if x.isInst() {
		class = (*v.at(class + 1)).off()
	}
	p := v.memberFind(class, key)
	if p == 0 {
		return 0, false
	}
	return lo(*v.at(p + 1)), true
}

func memberRawGet(c *Call) (Value, error) {
	m, ok := c.v.member(c.This(), c.Arg(1))
	switch {
	case !ok:
		return c.throwString("the index doesn't exist")
	case c.This().isInst():
		return c.v.instanceMember(c.This().off(), m), nil
	}
	return c.v.classMember(c.This().off(), m), nil
}

func memberRawIn(c *Call) (Value, error) { return Bool(c.v.has(c.This(), c.Arg(1))), nil }

// instanceRawSet sets existing fields only, as = does.
func instanceRawSet(c *Call) (Value, error) {
	if c.Arg(1) == Null {
		return c.throwString("null key")
	}
	m, ok := c.v.member(c.This(), c.Arg(1))
	if !ok || m >= memberMethod {
		c.v.noIndex(c.Arg(1))
		return Null, errThrown
	}
	*c.v.at(c.This().off() + wordsInstance + m) = c.Arg(2)
	return Null, nil
}

func classRawSet(c *Call) (Value, error) {
	if c.Arg(1) == Null {
		return c.throwString("null key")
	}
	return c.addMember(Null, false)
}

// addMember adds a member without calling _newmember. Parameter 1 is its name, 2 its
// value.
func (c *Call) addMember(attrs Value, static bool) (Value, error) {
	class := c.This().off()
	if c.v.addMember(class, c.Arg(1), c.Arg(2), static) == thrown {
		return Null, errThrown
	}
	if attrs != Null {
		c.v.setAttributes(class, c.Arg(1), attrs)
	}
	return Null, nil
}

// classNewMember does what a class body does for each member: parameters 3 and 4 are the
// attributes and whether it is static.
func classNewMember(c *Call) (Value, error) {
	if c.State() != 0 {
		return Null, nil
	}
	if m := c.v.classMeta(c.This().off(), metaNewMember); m != Null && c.Arg(1) != Null {
		return c.CallThen(1, m, c.This(), c.Arg(1), c.Arg(2), c.Arg(3), Bool(c.Arg(4).Truthy()))
	}
	return classRawNewMember(c)
}

func classRawNewMember(c *Call) (Value, error) {
	if c.Arg(1) == Null {
		return c.throwString("null key")
	}
	return c.addMember(c.Arg(3), c.Arg(4).Truthy())
}

// hasAttributes reports whether a key may have attributes: a member, or null
// for the class itself.
func (c *Call) hasAttributes(key Value) bool { return key == Null || c.v.has(c.This(), key) }

func classGetAttributes(c *Call) (Value, error) {
	if !c.hasAttributes(c.Arg(1)) {
		return c.throwString("wrong index")
	}
	return c.v.attributes(c.This().off(), c.Arg(1)), nil
}

// classSetAttributes sets attributes and returns the old ones.
func classSetAttributes(c *Call) (Value, error) {
	if !c.hasAttributes(c.Arg(1)) {
		return c.throwString("wrong index")
	}
	class := c.This().off()
	old := c.v.attributes(class, c.Arg(1))
	c.v.setAttributes(class, c.Arg(1), c.Arg(2))
	return old, nil
}

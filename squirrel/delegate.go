package squirrel

// SetDelegate gives a table a delegate, which must be a table that does not lead back to
// it. Null removes the delegate.
func (v *VM) SetDelegate(table, delegate Value) {
	if table.isTable() {
		*v.at(table.off() + 3) = delegate
	}
}

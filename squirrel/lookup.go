package squirrel

// Lookup returns a global variable. Unlike Field it makes no string for its name, so that looking
// changes nothing in the VM.
func (v *VM) Lookup(name string) (Value, bool) {
	for i, key, x, ok := v.Next(v.root, 0); ok; i, key, x, ok = v.Next(v.root, i) {
		if key.isString() && string(v.strBytes(key)) == name {
			return x, true
		}
	}
	return Null, false
}

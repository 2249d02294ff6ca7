package life

// Starve leaves the agent no memory, so that its next event ends it, as one does that needs more
// than there is. It may be called between two events, and reports false when there is no machine.
func (l *Life) Starve() bool {
	if l.Phase == frozen && !l.thaw() || l.Phase != live {
		return false
	}
	l.machine.Starve()
	return true
}

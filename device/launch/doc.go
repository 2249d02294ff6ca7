// Package launch starts a device as a process of its own: its options, in
// the words of its help, and what they make of a runner.Runner. The programs tandem (device
// run) and tandem-device share it.
package launch

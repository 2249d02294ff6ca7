package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/server"
)

// TestDeviceOptions: tandem device run has the options of tandem-device, with the same words.
func TestDeviceOptions(t *testing.T) {
	var text strings.Builder
	if err := launch.WriteOptions(&text); err != nil {
		t.Fatal(err)
	}
	there := strings.Fields(text.String())
	for _, command := range newParser(&commands{}).Model.Leaves(true) {
		if command.FullPath() != "tandem device run" {
			continue
		}
		for _, group := range command.AllFlags(true) {
			for _, f := range group {
				if f.Name == "help" || f.Name == "json" || f.Name == "quiet" {
					continue
				}
				words := []string{"--" + f.Name}
				if !f.IsBool() {
					words = append(words, f.FormatPlaceHolder())
				}
				words = append(words, strings.Fields(f.Help)...)
				if at := slices.Index(there, words[0]); at < 0 || !slices.Equal(there[at:at+len(words)], words) {
					t.Errorf("--%s is not in\n%s", f.Name, text.String())
				}
			}
		}
	}
	if launch.DefaultNode != "tcp://"+server.DefaultMQTT {
		t.Errorf("a device looks for a node at %s, and a node listens at %s", launch.DefaultNode, server.DefaultMQTT)
	}
}

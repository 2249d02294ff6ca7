package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/tandem-iot/tandem"
)

type initCmd struct {
	Dir string `arg:"" optional:"" name:"project" default:"." help:"Directory of the project; by default the current one."`
}

// beginning is a new project: its files.
var beginning = map[string]string{
	agentFile: `// The agent: it runs on the server for as long as the device exists.

saved <- server.load();
if (!("count" in saved)) saved.count <- 0;

// The device says that its button was pressed.
device.on("pressed", function(times) {
    saved.count += times;
    server.save(saved);
    device.send("count", saved.count);
});

// Its address answers how often it was.
http.onrequest(function(request, response) {
    response.send(200, "pressed " + saved.count + " times\n");
});
`,
	deviceFile: `// The device: it runs on the hardware, or on this machine with tandem dev.

// The agent says how often the button was pressed in all.
agent.on("count", function(count) {
    server.log("pressed " + count + " times in all");
});

// A device without a button presses it by itself.
function press() {
    imp.wakeup(10, press);
    agent.send("pressed", 1);
}
press();
`,
	"pair.test.nut": `// Tests of both sides and the link between them, in virtual time: tandem test

class PairTest extends ImpTestCase {

    function testCounts() {
        local before = agent.saved.count;
        world.time.skip("1 minute");
        assertEqual(before + 6, agent.saved.count);
    }

    function testCountsOverARestart() {
        world.time.skip("1 minute");
        local before = agent.saved.count;
        world.agent.restart();
        world.time.skip(1);
        assertTrue(agent.saved.count >= before);
    }

    function testAnswers() {
        local answer = world.http.request("GET", "/");
        assertEqual(200, answer.status);
        assertEqual("pressed " + agent.saved.count + " times\n", answer.body);
    }
}
`,
}

func (c *initCmd) Run(s *streams) error {
	names := slices.Sorted(maps.Keys(beginning))
	for _, name := range names {
		file := filepath.Join(c.Dir, name)
		if _, err := os.Lstat(file); err == nil {
			return tandem.Errorf(tandem.Conflict, "%s exists already: name another directory", file)
		}
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	var files []string
	for _, name := range names {
		file := filepath.Join(c.Dir, name)
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString(beginning[name])
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		files = append(files, file)
	}
	text := ""
	for _, file := range files {
		text += file + "\n"
	}
	if err := s.result(map[string][]string{"files": files}, text); err != nil {
		return err
	}
	where := ""
	if c.Dir != "." {
		where = " " + c.Dir
	}
	s.say("Run it with: tandem dev%s. Test it with: tandem test%s.", where, where)
	return nil
}

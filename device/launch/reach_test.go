package launch

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestReach: commands reach the board of a device by its directory, with its secret alone.
func TestReach(t *testing.T) {
	const id, other = "0123456789abcdef", "00000000000000ff"
	w, err := (&Hardware{}).NewBoard()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, boardFile)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Serve(ctx, dir, id) }()
	set := func(id tandem.DeviceID, lines ...string) error { return SetBoard(t.Context(), dir, id, lines) }
	for tandem.KindOf(set(id, "pin1 = 1")) == tandem.NotFound {
		if t.Context().Err() != nil {
			t.Fatal("the board is not reached")
		}
	}
	if got := w.Simulated.Read("pin1", time.Time{}); got != 1 {
		t.Errorf("pin1 is %v", got)
	}
	if err := set("", "pin1 = 0", "pin2 = 1"); err != nil || w.Simulated.Read("pin2", time.Time{}) != 1 {
		t.Error(err)
	}
	if err := set(id, "pin1 = 1", "pin2 = often"); tandem.KindOf(err) != tandem.Invalid ||
		!strings.Contains(err.Error(), "not a level") || w.Simulated.Read("pin1", time.Time{}) != 0 {
		t.Errorf("a mistake: %v, and pin1 is %v", err, w.Simulated.Read("pin1", time.Time{}))
	}
	if err := set(other, "pin1 = 1"); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("another device: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var at reach
	if err := json.Unmarshal(text, &at); err != nil {
		t.Fatal(err)
	}
	at.Secret = "guessed"
	if answer, err := at.ask(t.Context(), []string{"pin1 = 1"}); err != nil || answer != wrongSecret ||
		w.Simulated.Read("pin1", time.Time{}) != 0 {
		t.Errorf("without the secret: %q, %v", answer, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := set(id, "pin1 = 1"); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("after the end: %v", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := set(id, "pin1 = 1"); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("with the file of a device that was killed: %v", err)
	}
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// GetJSON gets what is at an URL, which must be JSON with status 200.
func GetJSON(ctx context.Context, h *http.Client, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := h.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %.200q", url, resp.Status, text)
	}
	return json.Unmarshal(text, out)
}

// Pause waits, unless ctx ends before.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// soon is how long Soon tries.
const soon = 3 * time.Minute

// Soon repeats what fails for a moment, such as a look at a file that a node that has just started
// is about to write.
func Soon(ctx context.Context, do func() error) error {
	for deadline := time.Now().Add(soon); ; {
		err := do()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

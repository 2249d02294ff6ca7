package host

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// damage changes the database of a host that does not run.
func (w *world) damage(statement string, args ...any) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "tandem.db"))
	w.must(err)
	_, err = db.Exec(statement, args...)
	w.must(err)
	w.must(db.Close())
}

// TestDamagedRecord: an agent whose saved table is damaged, or whose record is gone, does not
// start from wrong data nor from nothing; it says why, and the others run. It starts when the
// operator gives up what is damaged.
func TestDamagedRecord(t *testing.T) {
	for name, statement := range map[string]string{
		"a bit": "UPDATE agents SET saved = CAST(x'00' || substr(saved, 2) AS BLOB) WHERE agent = ?",
		"gone":  "DELETE FROM agents WHERE agent = ?",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, lifeCode, 2, nil)
			w.get("/save")
			w.stop()
			w.damage(statement, w.devices[0].Agent)
			w.open(nil)
			if name == "gone" { // it did not run, as far as the store knows
				w.ask("/")
			}
			w.lines.expect("^agent.error Agent not started: .* of agent .* is damaged; restore the database from a backup")
			_, err := w.request(t.Context(), "/count")
			if tandem.KindOf(err) != tandem.Unavailable || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("a request has the error %v", err)
			}
			w.devices[0], w.devices[1] = w.devices[1], w.devices[0]
			w.get("/save")
			w.devices[0], w.devices[1] = w.devices[1], w.devices[0]
			w.must(w.host.RestartAgent(t.Context(), w.devices[0].ID))
			w.lines.expect("^agent.error Agent not started: ")
			lost, err := w.store.GiveUp(t.Context(), w.devices[0].Agent)
			if err != nil || len(lost) != 1 {
				t.Fatalf("given up: %v, %v", lost, err)
			}
			w.must(w.host.RestartAgent(t.Context(), w.devices[0].ID))
			if got := w.get("/count"); got != "0" {
				t.Errorf("the agent has %s", got)
			}
			if n := w.lines.count("Agent not started"); n != 2 {
				t.Errorf("%d times it is said that the agent is not started, want once for each start that was asked for", n)
			}
		})
	}
}

// TestDamagedSnapshot: an agent whose memory is damaged starts from what it has saved, and says so.
func TestDamagedSnapshot(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	w.get("/save")
	w.stop()
	w.damage("UPDATE snapshots SET data = CAST(data || x'00' AS BLOB)")
	w.open(nil)
	w.lines.expect(restartText(tandem.ReasonHostLost))
	if got := w.get("/count"); got != "1" {
		t.Errorf("the agent has %s", got)
	}
	if n := w.store.Health().Damaged; n != 1 {
		t.Errorf("the health has %d damaged records", n)
	}
}

package launch

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/runner"
)

// keep are the options about how much a device keeps for its agent.
type keep struct {
	Keep      int           `placeholder:"MB" default:"64" help:"Room for what waits for the agent (${default} MB)."`
	KeepFor   time.Duration `placeholder:"TIME" help:"How long it waits at most, such as 720h; by default for ever."`
	KeepSends bool          `help:"Keep messages of agent.send like those of tandem.post, unless the code says otherwise."`
	KeepLog   bool          `help:"Keep lines of the log too, unless the code says otherwise."`
}

func (k *keep) set(r *runner.Runner) error {
	if k.Keep < 1 || k.KeepFor < 0 {
		return tandem.Errorf(tandem.Invalid, "--keep must be 1 or more, and --keep-for not negative")
	}
	r.KeptSize, r.KeptFor = int64(k.Keep)<<20, k.KeepFor
	r.KeepSends, r.KeepLog = k.KeepSends, k.KeepLog
	return nil
}

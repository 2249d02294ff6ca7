// A handler that ran out of memory has handled its message: see docs/guides/in-step.md.
without("agent memory");
always("what was acknowledged is counted", @() agent.saved.count >= world.acked("event")
    || format("counted %d, acknowledged %d", agent.saved.count, world.acked("event")));

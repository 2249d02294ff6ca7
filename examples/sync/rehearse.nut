// What must hold whatever happens to the pair: tandem rehearse examples/sync

every(45, "POST", "/", @(n) format("{\"period\": %d}", 1 + n % 3));

eventually(60, "in step", @() agent.report != null && agent.report.version == agent.settings.version
    && device.settings.version == agent.settings.version);

always("the device has no settings that the agent never had",
    @() device.settings.version <= agent.settings.version);

eventually(60, "the agent has the newest reading", @() agent.last == device.n
    || format("the agent has %d, the device %d", agent.last, device.n));

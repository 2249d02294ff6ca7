every(40, "POST", "/target", @(n) (18 + n % 5).tostring());
eventually(60, "the device has the target", @() device.target == agent.saved.target
    || format("device %s, agent %d", device.target + "", agent.saved.target));

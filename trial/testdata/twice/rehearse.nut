always("no event is counted twice", @() agent.saved.count <= device.made
    || format("counted %d of %d", agent.saved.count, device.made));

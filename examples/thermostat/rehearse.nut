// What must hold whatever happens to the pair: tandem rehearse examples/thermostat

every(50, "POST", "/target", @(n) format("{\"target\": %d}", 18 + n % 5));
every(20, "GET", "/state");

eventually(60, "the device has the target", @() device.target == agent.saved.target
    || format("the device has %s, the agent %.1f", device.target + "", agent.saved.target));

// Who was answered 200 has been promised that. Another request may be under way.
eventually(60, "the target is as answered", function() {
    local a = world.last("POST");
    return a == null || a.status != 200 || agent.saved.target == http.jsondecode(a.body).target;
});

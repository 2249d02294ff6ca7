every(40, "POST", "/valve", @(n) n % 2 ? "shut" : "open");
eventually(30, "the valve is as answered", function() {
    local a = world.last("POST");
    return a == null || a.status != 200 || agent.saved.valve == a.body
        || format("answered %s, is %s", a.body, agent.saved.valve);
});

// Both sides stay in step, whatever happens to either: tandem test examples/sync

class SyncTest extends ImpTestCase {
    function inStep() { return agent.report != null && agent.report.version == agent.settings.version
        && device.settings.version == agent.settings.version; }

    function change(wish) {
        local r = world.http.request("POST", "/", wish);
        assertEqual(200, r.status);
    }

    // Each thing that can happen, alone, in the middle of a change.
    function testEverythingThatCanHappen() {
        local faults = {
            agentRestarts = @() world.agent.restart(),
            agentIsDeployed = @() world.code.deploy(),
            agentMoves = @() world.agent.move(),
            hostIsLost = @() world.host.lose(),
            deviceLosesItsPower = @() world.device.powercycle("3 seconds"),
            deviceRestarts = @() world.device.restart(),
            connectionIsReset = @() world.link.reset(),
            shortCut = @() world.link.cut(1),
            longCut = @() world.link.cut("2 minutes"),
        };
        local names = [];
        foreach (name, _ in faults) names.append(name);
        names.sort();
        foreach (n, name in names) {
            change({ period = 1 + n % 3, label = name });
            faults[name]();
            world.time.skip("5 minutes");
            assertTrue(world.time.until(inStep, "1 minute"), "not in step after " + name);
            assertEqual(name, device.settings.label);
        }
    }

    function testSlowAndLossyLink() {
        world.link.latency(3);
        world.link.loss(0.2);
        change({ label = "far away" });
        world.time.skip("5 minutes");
        assertTrue(world.time.until(inStep, "1 minute"));
        world.link.latency(0.01);
        world.link.loss(0);
    }

    function testMistakesAreRefused() {
        assertEqual(400, world.http.request("POST", "/", "{\"period\": 0}").status);
        assertEqual(400, world.http.request("POST", "/", "nonsense").status);
    }

    function testARefusedSaveIsNoPromise() {
        local before = agent.settings.label;
        world.store.refuse(5);
        local r = world.http.request("POST", "/", { label = "not saved" });
        assertGreater(r.status, 499);
        world.time.skip("1 minute");
        assertTrue(world.time.until(inStep, "1 minute"));
        assertEqual(before, device.settings.label);
    }
}

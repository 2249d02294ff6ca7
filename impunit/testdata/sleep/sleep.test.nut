// A device that sleeps deeply between its readings.
class Sleep extends ImpTestCase {
  function testSleeps() {
    world.time.skip("1 hour 5 minutes");
    assertEqual(7, agent.got.len());
    assertEqual(7, agent.got.top().n);
    assertEqual(7, agent.got.top().flash);
    world.device.powercycle();
    world.time.skip("30 seconds");
    assertEqual(1, agent.got.top().n);
    world.link.cut("1 day");
    world.time.skip("1 hour");
    world.link.mend();
    world.time.skip("1 hour");
    info(agent.got.len());
    foreach (x in agent.got) info(x);
  }
}

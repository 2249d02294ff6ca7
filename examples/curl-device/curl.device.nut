// What stands for the MQTT client in curl.agent.test.nut.

agent.on("publish", function(reading) { agent.send("reading", reading); });
agent.on("led", function(led) { agent.send("lit", led.on); });

starts <- 0;
starts++;
reason <- hardware.wakereason();
hardware.pin1.configure(DIGITAL_IN, function() { agent.send("level", hardware.pin1.read()); });
hardware.pin2.configure(DIGITAL_OUT, 0);
hardware.i2c89.configure(CLOCK_SPEED_100_KHZ);
agent.on("lamp", function(on) { hardware.pin2.write(on); });
function sensor() { local s = hardware.i2c89.read(0x90, "\x00", 1); return s == null ? null : s[0]; }
temperature <- null;
function look() { imp.wakeup(1, look); temperature = sensor(); }
look();

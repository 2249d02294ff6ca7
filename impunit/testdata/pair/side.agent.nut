device.on("ping", function(x) { device.send("pong", x + 1); });

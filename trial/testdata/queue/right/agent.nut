device.on("reading", function(r) { last <- r; });
device.on("readings", function(all) { last <- all.top(); });

// What was measured without a connection is queued, and only a disconnect that the program is told of empties the queue.

device.on("reading", function(r) { last <- r; });
device.on("readings", function(all) { last <- all.top(); });

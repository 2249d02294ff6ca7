// The agent answers a question of the device that has restarted since, and has given the number to another question.

device.on("ask", function(q) {
    imp.wakeup(3, @() device.send("answer", q));
});

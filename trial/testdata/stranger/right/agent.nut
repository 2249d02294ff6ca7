device.on("ask", function(q) {
    imp.wakeup(3, @() device.send("answer", q));
});

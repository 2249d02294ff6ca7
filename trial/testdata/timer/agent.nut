// The agent switches a lamp off by a timer, which a restart forgets.

http.onrequest(function(request, response) {
    device.send("lamp", true);
    imp.wakeup(30, @() device.send("lamp", false));
    response.send(200, "on");
});

// An agent whose device is anything that speaks MQTT: a shell script, a
// microcontroller, a program of yours. Publishing agent/reading arrives here
// as device.on("reading"); device.send("led", ...) arrives there as device/led.

last <- server.load();

device.on("reading", function(reading) {
    last.reading <- reading;
    last.at <- time();
    server.save(last);
    server.log("Reading: " + http.jsonencode(reading));
});

http.onrequest(function(request, response) {
    if (request.method == "POST" && request.path == "/led") {
        if (!device.isconnected()) return response.send(503, "the device is not connected\n");
        device.send("led", { on = request.body == "on" });
        return response.send(202, "sent\n");
    }
    response.header("Content-Type", "application/json");
    response.send(200, http.jsonencode(last) + "\n");
});

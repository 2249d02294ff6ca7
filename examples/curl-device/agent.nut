// An agent whose device is anything that speaks MQTT: a shell script, a
// microcontroller, a program of yours. Publishing agent/reading arrives here
// as device.on("reading"); device.send("led", ...) arrives there as device/led.

last <- server.load();

device.on("reading", function(reading) {
    if (typeof reading != "table" || !("celsius" in reading) ||
        typeof reading.celsius != "integer" && typeof reading.celsius != "float") {
        return server.error("That is no reading: send {\"celsius\": 21.5}");
    }
    last.reading <- reading;
    last.at <- time();
    server.save(last);
    server.log("Reading: " + http.jsonencode(reading));
});

http.onrequest(function(request, response) {
    if (request.method == "POST" && request.path == "/led") {
        if (request.body != "on" && request.body != "off") return response.send(400, "send on or off\n");
        if (!device.isconnected()) return response.send(503, "the device is not connected\n");
        device.send("led", { on = request.body == "on" });
        return response.send(202, "sent\n");
    }
    response.header("Content-Type", "application/json");
    response.send(200, http.jsonencode(last) + "\n");
});

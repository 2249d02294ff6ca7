device.on("dose", function(n) {
    local r = http.post("https://pump.example/dose", { key = "dose " + n }, n.tostring()).sendsync();
    if (r.statuscode != 200) server.error("no dose: " + r.statuscode);
});

// The agent's half: the newest temperature, as a page.

celsius <- null;

device.on("celsius", function(c) { celsius = c; });

http.onrequest(function(request, response) {
    response.send(200, celsius == null ? "not measured yet\n" : format("%.1f °C\n", celsius));
});

// In step, the agent's half. Agent and device restart when they please (new
// code, a power cut, a lost server) and neither may be left with an old idea
// of the other. Three rules do it, and they work on any imp server:
//
//   1. The truth about the settings is here, saved, with a version.
//   2. The truth about the device is in the device; we only hold its last
//      report, and ask for it when we start without one.
//   3. Every report names the version it was made under. If that is not the
//      current one, the settings are sent again.
//
// tandem.onpeerstart makes it faster, not different: we hear of a restart at
// once instead of with the next report.

settings <- server.load();
if (!("version" in settings)) settings = { version = 1, period = 1, label = "unnamed" };

report <- null;     // the device's last

function share() { device.send("settings", settings); }

function ask() { device.send("report?", null); }

device.on("report", function(r) {
    report = r;
    if (r.version != settings.version) share();
});

device.onconnect(function() { share(); });

if ("tandem" in getroottable()) {
    tandem.onpeerstart(function(reason, incarnation) {
        server.log(format("The device has started (%s), incarnation %d", reason, incarnation));
        report = null;      // that was another run's
        share();
    });
}

function change(wish) {
    foreach (key in ["period", "label"]) if (key in wish) settings[key] = wish[key];
    settings.version++;
    if (server.save(settings) != 0) throw "the settings could not be saved";
    share();
}

function inStep() { return report != null && report.version == settings.version; }

http.onrequest(function(request, response) {
    if (request.method == "POST") {
        local wish;
        try {
            wish = http.jsondecode(request.body);
            if (typeof wish != "table") throw "send {\"period\": 2, \"label\": \"kitchen\"}";
            if ("period" in wish && (typeof wish.period != "integer" || wish.period < 1)) throw "period is a whole number of seconds";
            if ("label" in wish && typeof wish.label != "string") throw "label is a text";
        } catch (problem) {
            return response.send(400, problem + "\n");
        }
        change(wish);
    }
    response.header("Content-Type", "application/json");
    response.send(200, http.jsonencode({ inStep = inStep(), settings = settings, report = report }) + "\n");
});

if (device.isconnected()) ask();

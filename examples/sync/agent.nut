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

// The settings in a request. Throws what is wrong.
function wanted(body) {
    local wish = http.jsondecode(body);
    if (typeof wish != "table" || !("period" in wish || "label" in wish)) throw "there is no setting in it";
    if ("period" in wish && (typeof wish.period != "integer" || wish.period < 1 || wish.period > 3600))
        throw "the period is a whole number of seconds, from 1 to 3600";
    if ("label" in wish && (typeof wish.label != "string" || wish.label.len() > 100))
        throw "the label is a text of at most 100 bytes";
    return wish;
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
            wish = wanted(request.body);
        } catch (problem) {
            return response.send(400, "Send {\"period\": 2, \"label\": \"kitchen\"}: " + problem + "\n");
        }
        change(wish);
    }
    response.header("Content-Type", "application/json");
    response.send(200, http.jsonencode({ inStep = inStep(), settings = settings, report = report }) + "\n");
});

if (device.isconnected()) ask();

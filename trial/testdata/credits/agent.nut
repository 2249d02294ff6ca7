// At each connection the agent uploads everything, and loses what it has no credits for.

const FILES = 25;
missing <- {};

function upload(name) {
    http.put("https://store.example/" + name, {}, "data").sendasync(function(r) {
        if (r.statuscode == 200) { if (name in missing) delete missing[name]; }
        else server.error("not uploaded: " + r.statuscode);
    });
}

function uploadAll() {
    for (local i = 0; i < FILES; i++) {
        missing["file" + i] <- true;
        upload("file" + i);
    }
}

device.onconnect(uploadAll);

server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

local flash = hardware.spiflash;
flash.enable();
settings <- { a = 0, b = 0 };

function load() {
    if (flash.read(0, 1)[0] == 0xff) return;
    local b = flash.read(0, 8);
    settings = { a = b.readn('i'), b = b.readn('i') };
}

function number(n) {
    local b = blob();
    b.writen(n, 'i');
    return b;
}

agent.on("settings", function(s) {
    flash.erasesector(0);
    flash.write(0, number(s.a), SPIFLASH_PREVERIFY);
    imp.wakeup(0.05, function() {
        flash.write(4, number(s.b), SPIFLASH_PREVERIFY);
        settings = s;
    });
});
load();

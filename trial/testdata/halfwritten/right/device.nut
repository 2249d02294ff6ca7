server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

local flash = hardware.spiflash;
flash.enable();
settings <- { a = 0, b = 0 };
local slot = 1;          // the settings are in one of two sectors, and the next in the other
local newest = 0;

local sum = @(number, a, b) 0x5eed + 31 * (number + 31 * (a + 31 * b));

function load() {
    for (local i = 0; i < 2; i++) {
        local b = flash.read(i * 4096, 16);
        local number = b.readn('i'), a = b.readn('i'), other = b.readn('i'), check = b.readn('i');
        if (number <= newest || check != sum(number, a, other)) continue;
        newest = number;
        slot = i;
        settings = { a = a, b = other };
    }
}

function word(n) {
    local b = blob();
    b.writen(n, 'i');
    return b;
}

local busy = false;
agent.on("settings", function(s) {
    if (busy) return;
    busy = true;
    local at = (1 - slot) * 4096;
    local number = newest + 1;
    flash.erasesector(at);
    flash.write(at, word(number), SPIFLASH_PREVERIFY);
    flash.write(at + 4, word(s.a), SPIFLASH_PREVERIFY);
    imp.wakeup(0.05, function() {
        flash.write(at + 8, word(s.b), SPIFLASH_PREVERIFY);
        flash.write(at + 12, word(sum(number, s.a, s.b)), SPIFLASH_PREVERIFY);
        slot = 1 - slot;
        newest = number;
        settings = s;
        busy = false;
    });
});
load();

// The device writes its settings to the flash in two steps. Without power between them it has half of each.

local n = 0;
function change() {
    imp.wakeup(15, change);
    n++;
    device.send("settings", { a = n, b = n });
}
change();

local n = 0;
function change() {
    imp.wakeup(15, change);
    n++;
    device.send("settings", { a = n, b = n });
}
change();

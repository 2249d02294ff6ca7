every(100, "POST", "/lamp");
eventually(90, "the lamp goes out", @() !device.on);

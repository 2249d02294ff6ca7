always("the settings are whole", @() device.settings.a == device.settings.b
    || format("a = %d, b = %d", device.settings.a, device.settings.b));

eventually(60, "every reading is acknowledged", @() device.n == device.acked && device.n > 0
    || format("n = %d, acked = %d", device.n, device.acked));

// What restarts the device empties nv: its readings begin again.
without("power", "device restart", "device memory", "deploy", "half a deployment", "agent memory", "sleep");
eventually(90, "no reading is missing", @() agent.missed == 0 || agent.missed + " are missing");

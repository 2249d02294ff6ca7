world.http.serve("https://store.example/", 200);
eventually(120, "all is uploaded", @() agent.missing.len() == 0 || agent.missing.len() + " are missing");

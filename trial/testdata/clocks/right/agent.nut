newest <- 0;
last <- 0;
run <- "";

device.on("reading", function(r) {
    if (r.run == run && r.n <= newest) return;
    run = r.run;
    newest = r.n;
    last = r.n;
});

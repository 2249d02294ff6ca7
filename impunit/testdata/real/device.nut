// Without a link, go on and try again later.
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
opened <- 0;
hardware.pin1.configure(DIGITAL_IN, function() {
    if (!hardware.pin1.read()) return;
    opened++;
    agent.send("opened", null);
    server.log("opened");
});

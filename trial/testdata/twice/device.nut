server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

made <- 0;
waiting <- {};
local kept = imp.getuserconfiguration();
if (kept != null) made = kept.readn('i');

agent.on("ok", function(n) { if (n in waiting) delete waiting[n]; });

function send(n) {
    if (!(n in waiting)) return;
    agent.send("event", { n = n });
    imp.wakeup(5, @() send(n));
}

function event() {
    imp.wakeup(8, event);
    made++;
    local b = blob();
    b.writen(made, 'i');
    imp.setuserconfiguration(b);
    waiting[made] <- true;
    send(made);
}
event();

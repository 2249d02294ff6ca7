server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

local asked = 0;
local run = time() + "." + hardware.micros();     // no other run has that
questions <- {};
wrong <- 0;

agent.on("answer", function(a) {
    if (a.run != run || !(a.number in questions)) return;
    if (delete questions[a.number] != a.what) wrong++;
});

function ask() {
    imp.wakeup(10, ask);
    local what = time() + "/" + asked;
    questions[asked] <- what;
    agent.send("ask", { number = asked++, run = run, what = what });
    if (asked > 20 && (asked - 20) in questions) delete questions[asked - 20];
}
ask();

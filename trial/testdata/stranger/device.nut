server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);

local asked = 0;
questions <- {};
wrong <- 0;

agent.on("answer", function(a) {
    if (!(a.number in questions)) return;
    if (delete questions[a.number] != a.what) wrong++;
});

function ask() {
    imp.wakeup(10, ask);
    local what = time() + "/" + asked;
    questions[asked] <- what;
    agent.send("ask", { number = asked++, what = what });
}
ask();

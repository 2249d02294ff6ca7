server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
n <- 0;
local kept = imp.getuserconfiguration();
if (kept != null) n = kept.readn('i');

function dose() {
    imp.wakeup(11, dose);
    n++;
    local b = blob();
    b.writen(n, 'i');
    imp.setuserconfiguration(b);
    tandem.post("dose", n);
}
dose();

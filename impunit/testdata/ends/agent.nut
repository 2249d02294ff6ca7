function spin() { imp.wakeup(60, spin); for (local i = 0; i < 20000000; i++); }
http.onrequest(function(q, r) { r.send(200, "here"); if (q.path == "/spin") spin(); });

http.onrequest(function(q, r) { r.send(200, "here"); });

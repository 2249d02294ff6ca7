package agent

import "github.com/tandem-iot/tandem/imp"

var (
	paramURL     = imp.Param{Name: "url", Type: "string", Doc: "begins with http:// or https://"}
	paramHeaders = imp.Param{
		Name: "headers", Type: "table", Optional: true,
		Doc: "values are strings, numbers, or arrays of them",
	}
	paramBody = imp.Param{Name: "body", Type: "data", Optional: true}
)

// requestFunctions make outgoing requests.
var requestFunctions = []imp.Function{
	{
		Name: "http.get", On: imp.OnAgent, Result: "httprequest", Params: []imp.Param{paramURL, paramHeaders},
		Doc: "Makes a GET request, which is then to be sent.", Source: docs + "http/get", Fn: requestNative("GET"),
		Example: `http.get("https://example.com/").sendasync(@(r) server.log(r.statuscode));`,
	}, {
		Name: "http.post", On: imp.OnAgent, Result: "httprequest", Params: []imp.Param{paramURL, paramHeaders, paramBody},
		Doc: "Makes a POST request, which is then to be sent.", Source: docs + "http/post", Fn: requestNative("POST"),
		Example: `local headers = { "Content-Type": "application/json" };
local body = http.jsonencode({ celsius = 21.5 });
http.post("https://example.com/readings", headers, body).sendasync(function(response) {
    if (response.statuscode != 200) server.error("not posted: " + response.statuscode);
});`,
	}, {
		Name: "http.put", On: imp.OnAgent, Result: "httprequest", Params: []imp.Param{paramURL, paramHeaders, paramBody},
		Doc: "Makes a PUT request, which is then to be sent.", Source: docs + "http/put", Fn: requestNative("PUT"),
		Example: `http.put("https://example.com/rooms/12", {}, "kitchen").sendasync(@(r) server.log(r.statuscode));`,
	}, {
		Name: "http.httpdelete", On: imp.OnAgent, Result: "httprequest", Params: []imp.Param{paramURL, paramHeaders},
		Doc: "Makes a DELETE request, which is then to be sent.", Source: docs + "http/httpdelete",
		Fn:      requestNative("DELETE"),
		Example: `http.httpdelete("https://example.com/rooms/12").sendasync(@(r) server.log(r.statuscode));`,
	}, {
		Name: "http.request", On: imp.OnAgent, Result: "httprequest",
		Params: []imp.Param{{Name: "verb", Type: "string"}, paramURL, paramHeaders, paramBody},
		Doc:    "Makes a request with any verb, which is then to be sent.", Source: docs + "http/request", Fn: httpRequest,
		Example: `local request = http.request("PATCH", "https://example.com/rooms/12", {}, "kitchen");
request.sendasync(@(r) server.log(r.statuscode));`,
	}, {
		Name: "httprequest.sendasync", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "done", Type: "function", Doc: "called with a table: statuscode, headers, rawheaders, body"},
			{Name: "stream", Type: "function", Optional: true, Doc: "called with pieces of the body as they arrive"},
			{Name: "timeout", Type: "number", Optional: true, Doc: "seconds, 600 when left out, or NO_TIMEOUT"},
		},
		Throws: []string{"a request can be sent only once"},
		Doc: "Sends the request. A statuscode below 100 is a libcurl error number. Redirects are not followed. " +
			"A body compressed by gzip is decompressed, unless the request has the header Accept-Encoding. " +
			"40 requests can be sent at once, and 2 more every second; beyond that the response is 429 with the header " +
			"retry-after.",
		Source: docs + "httprequest/sendasync", Fn: sendAsync,
		Example: `http.get("https://example.com/weather").sendasync(function(response) {
    if (response.statuscode == 200) server.log(http.jsondecode(response.body).celsius);
    else server.log("No weather: " + response.statuscode);
});`,
	}, {
		Name: "httprequest.sendsync", On: imp.OnAgent, Result: "table",
		Throws: []string{"a request can be sent only once"},
		Doc: "Sends the request and waits for the response, which is that of sendasync. " +
			"Nothing else of the program runs meanwhile.",
		Source: docs + "httprequest/sendsync", Fn: sendSync,
		Example: `local response = http.get("https://example.com/").sendsync();
server.log(response.statuscode);`,
	}, {
		Name: "httprequest.cancel", On: imp.OnAgent,
		Doc:    "Drops the request: its functions are not called any more.",
		Source: docs + "httprequest/cancel", Fn: cancelRequest,
		Example: `local request = http.get("https://example.com/slow");
request.sendasync(@(r) server.log(r.statuscode));
imp.wakeup(10, @() request.cancel());`,
	}, {
		Name: "httprequest.setvalidation", On: imp.OnAgent,
		Params: []imp.Param{{Name: "option", Type: "integer", Doc: "one of the VALIDATE constants"}},
		Doc: "Sets whether the server's certificate is verified. The default is the device group's validate_tls, " +
			"which is false at first.",
		Source: docs + "httprequest/setvalidation", Fn: setValidation,
		Example: `local request = http.get("https://example.com/");
request.setvalidation(VALIDATE_USING_SYSTEM_CA_CERTS);
request.sendasync(@(r) server.log(r.statuscode));`,
	},
}

// httpFunctions handle requests to the agent.
var httpFunctions = []imp.Function{
	{
		Name: "http.onrequest", On: imp.OnAgent,
		Params: []imp.Param{{
			Name: "callback", Type: "handler",
			Doc: "called with the request, a table of method, path, query, headers, body, and an httpresponse",
		}},
		Doc:     "Sets the function that takes HTTP requests to the agent's URL.",
		Source:  docs + "http/onrequest",
		Example: `http.onrequest(@(request, response) response.send(200, "hello\n"));`,
		Fn:      imp.SetsHandler(handlerRequest),
	}, {
		Name: "httpresponse.header", On: imp.OnAgent,
		Params: []imp.Param{{Name: "name", Type: "string"}, {Name: "value", Type: "any", Doc: "a string or number"}},
		Throws: []string{"the header is invalid"},
		Doc:    "Adds a header to the response, before it is sent.",
		Source: docs + "httpresponse/header", Fn: responseHeader,
		Example: `http.onrequest(function(request, response) {
    response.header("Content-Type", "application/json");
    response.send(200, http.jsonencode({ path = request.path }));
});`,
	}, {
		Name: "httpresponse.send", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "status", Type: "integer", Doc: "200 to 599"},
			{Name: "body", Type: "body", Optional: true, Doc: "of a number its text, because public code counts on that"},
		},
		Throws: []string{"the status is out of range", "the body has more than 1 MB"},
		Doc:    "Sends the response. A second one is ignored, and an error is logged.",
		Source: docs + "httpresponse/send", Fn: responseSend,
		Example: `http.onrequest(function(request, response) {
    if (request.method == "POST") response.send(201, "made\n");
    else response.send(405, "POST only\n");
});`,
	},
}

class PartTest extends ImpTestCase {
    function testRequests() {
        local test = this;
        return world.http.request("GET", "/").then(function(answer) { test.assertEqual(200, answer.status); });
    }

    function testServes() {
        world.http.serve("https://api.example.com/", "hello");
        return Promise(function(ok, no) {
            http.get("https://api.example.com/z").sendasync(@(x) x.body == "hello" ? ok() : no(x.statuscode));
        });
    }
}

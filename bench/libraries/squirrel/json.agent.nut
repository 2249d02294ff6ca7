// What is encoded and parsed again is what it was; and as the platform's own.
#require "JSONEncoder.class.nut:2.0.0"
#require "JSONParser.class.nut:1.0.1"
#require "PrettyPrinter.class.nut:1.0.1"

class JSONWork extends ImpTestCase {
	value = { text = "quote \" back \\ line\nü", list = [1, -2, 2.5, true, false, null, []], inner = { empty = {}, deep = [[["x"]]] } };

	function testRoundTrip() { assertDeepEqual(value, JSONParser.parse(JSONEncoder.encode(value))); }

	function testPlatformReads() { assertDeepEqual(value, http.jsondecode(JSONEncoder.encode(value))); }

	function testPlatformWrites() { assertDeepEqual(value, JSONParser.parse(http.jsonencode(value))); }

	function testPretty() { assertDeepEqual(value, http.jsondecode(PrettyPrinter(null, false).format(value))); }
}

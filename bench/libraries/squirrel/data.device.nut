// On the device: bytes, ciphers and schedules.
#require "Serializer.class.nut:1.0.0"
#require "AES.lib.nut:1.0.0"
#require "JSONEncoder.class.nut:2.0.0"
#require "JSONParser.class.nut:1.0.1"
#require "Scheduler.lib.nut:0.1.0"
#require "utilities.lib.nut:3.0.1"
#require "GPSParser.device.lib.nut:1.0.0"

class DataWork extends ImpTestCase {
	function testSerializer() {
		local value = { a = 1, b = [2.5, "x", null, true], c = { d = "deep" } };
		local bytes = Serializer.serialize(value);
		assertDeepEqual(value, Serializer.deserialize(bytes));
	}

	function testAES() {
		local key = AES.hexStringToBlob("000102030405060708090a0b0c0d0e0f");
		local plain = AES.hexStringToBlob("00112233445566778899aabbccddeeff");
		local cipher = AES(key).encrypt(plain);
		assertEqual("69c4e0d86a7b0430d8cdb78070b4c55a", utilities.blobToHexString(cipher).slice(2)); // FIPS 197, C.1
		assertTrue(crypto.equals(plain, AES(key).decrypt(cipher)));
	}

	function testJSON() {
		local value = { list = [1, "two", 3.5, null], ok = true };
		assertDeepEqual(value, JSONParser.parse(JSONEncoder.encode(value)));
	}

	function testScheduler() {
		local scheduler = Scheduler(), times = [];
		return Promise(function(resolve, reject) {
			local job = null;
			job = scheduler.repeat(1, null, function() {
				times.append(time());
				if (times.len() == 3) {
					job.cancel();
					imp.wakeup(1.5, @() resolve(null));
				}
			});
		}).then(function(_) { assertEqual(3, times.len()); }.bindenv(this));
	}

	function testGPS() {
		local data = GPSParser.getGPSDataTable("$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47");
		assertClose(48.1173, data.latitude.tofloat(), 0.001);
		assertClose(11.5167, data.longitude.tofloat(), 0.001);
	}
}

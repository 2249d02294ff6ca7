package main

// repository is a repository of github.com/electricimp.
type repository struct {
	name, tag string
	libraries []library
	// Libraries, and files of the repository, that its own tests expect before them on a
	// side.
	agent, device []string
	timeout       int    // limit of a test in seconds; 0: 30
	side          string // default side of test files; "": agent
	values        map[string]string
	skips, known  map[string]string
}

// library is a file that programs can require.
type library struct {
	id    string // NAME:VERSION
	file  string
	side  string // the side where it works: agent, device, or both when empty
	needs string // a library that must come before it
}

const (
	noChip = "needs the chip that it is about"
	fills  = "the test fills the whole flash in one event, which takes more than 1 s of processor time"
)

// manifest lists the tested repositories. values are settings of tests. skips has reasons
// why tests cannot run, and known reasons why tests fail without a fault of the node, each
// by a part of the name of a file or test.
var manifest = []repository{
	{name: "Promise", tag: "v4.0.0", libraries: []library{{"Promise.lib.nut:4.0.0", "Promise.lib.nut", "", ""}}},
	{
		name:      "Rocky",
		tag:       "v3.0.1",
		libraries: []library{{"Rocky.agent.lib.nut:3.0.1", "Rocky.agent.lib.nut", "agent", ""}},
		agent:     []string{"Rocky.agent.lib.nut:3.0.1"},
	},
	{
		name:      "ConnectionManager",
		tag:       "v3.1.1",
		libraries: []library{{"ConnectionManager.lib.nut:3.1.1", "ConnectionManager.lib.nut", "device", ""}},
		timeout:   90,
		side:      "device",
	},
	{
		name:      "MessageManager",
		tag:       "v2.4.0-ci-testing",
		libraries: []library{{"MessageManager.lib.nut:2.4.0", "MessageManager.lib.nut", "", ""}},
		timeout:   60,
		known: map[string]string{
			"agent2device/Connection": "the test waits for the device to report its connection, which it has already done: " +
				"the vendor's device took longer to get new code",
			"testSendWithNonSerializableMessage": "the library on the device needs the slot that is left out, as " +
				"the vendor's page says, because it cannot be serialised",
		},
		agent: []string{"MessageManager.lib.nut:2.4.0"}, device: []string{"MessageManager.lib.nut:2.4.0"},
	},
	{
		name:      "Bullwinkle",
		tag:       "v2.3.2",
		libraries: []library{{"Bullwinkle.class.nut:2.3.2", "Bullwinkle.class.nut", "", ""}},
	},
	{
		name:      "JSONEncoder",
		tag:       "v2.0.0",
		libraries: []library{{"JSONEncoder.class.nut:2.0.0", "JSONEncoder.class.nut", "", ""}},
		agent:     []string{"JSONEncoder.class.nut:2.0.0"},
		device:    []string{"JSONEncoder.class.nut:2.0.0"},
	},
	{
		name:      "JSONParser",
		tag:       "v1.0.1",
		libraries: []library{{"JSONParser.class.nut:1.0.1", "JSONParser.class.nut", "", ""}},
		agent:     []string{"JSONParser.class.nut:1.0.1"},
	},
	{
		name:      "Serializer",
		tag:       "v1.0.0",
		libraries: []library{{"Serializer.class.nut:1.0.0", "Serializer.class.nut", "", ""}},
		device:    []string{"Serializer.class.nut:1.0.0"},
	},
	{
		name:      "SpiFlashLogger",
		tag:       "v2.2.0",
		libraries: []library{{"SPIFlashLogger.device.lib.nut:2.2.0", "SPIFlashLogger.device.lib.nut", "device", ""}},
		timeout:   60,
		side:      "device",
		device:    []string{"SPIFlashLogger.device.lib.nut:2.2.0"},
	},
	{
		name: "Messenger_ReplayMessenger", tag: "v0.2.0", timeout: 60,
		agent: []string{"tests/AgentIncludes.nut"}, device: []string{"tests/DeviceIncludes.nut"},
		libraries: []library{
			{"Messenger.lib.nut:0.2.0", "Messenger.lib.nut", "", ""},
			{"ReplayMessenger.device.lib.nut:0.2.0", "ReplayMessenger.device.lib.nut", "device", "Messenger.lib.nut:0.2.0"},
		},
	},
	{
		name:      "Scheduler",
		tag:       "v0.1.0",
		libraries: []library{{"Scheduler.lib.nut:0.1.0", "Scheduler.lib.nut", "", ""}},
		agent:     []string{"Scheduler.lib.nut:0.1.0"},
		known: map[string]string{
			"AtTestCase::testAt": "the test takes the integer of time() for the table of date()",
			"Decimal":            "the library adds a float to the seconds since 1970, which do not fit a 32-bit float",
			"testRepeatFromNegative": "the test subtracts the negative interval, which the library takes for 0: it " +
				"is off by a second, the most that it allows",
		},
	},
	{
		name:      "Utilities",
		tag:       "v3.0.1",
		libraries: []library{{"utilities.lib.nut:3.0.1", "utilities.lib.nut", "", ""}},
		agent:     []string{"utilities.lib.nut:3.0.1"},
		device:    []string{"utilities.lib.nut:3.0.1"},
	},
	{
		name:      "AES",
		tag:       "v1.0.0",
		libraries: []library{{"AES.lib.nut:1.0.0", "AES.lib.nut", "", ""}},
		device:    []string{"AES.lib.nut:1.0.0"},
	},
	{
		name:      "PrettyPrinter",
		tag:       "v1.0.1",
		libraries: []library{{"PrettyPrinter.class.nut:1.0.1", "PrettyPrinter.class.nut", "agent", ""}},
	},
	{
		name:      "Firebase",
		tag:       "v3.2.0",
		libraries: []library{{"Firebase.agent.lib.nut:3.2.0", "Firebase.agent.lib.nut", "agent", ""}},
		agent:     []string{"Firebase.agent.lib.nut:3.2.0"},
		values:    map[string]string{"FIREBASE_INSTANCE_NAME": "db", "FIREBASE_AUTH_KEY": "key"},
	},
	{name: "Twilio", tag: "v1.0.1", libraries: []library{{"Twilio.class.nut:1.0.1", "twilio.agent.nut", "agent", ""}}},
	{
		name:      "Twitter",
		tag:       "v2.0.0",
		libraries: []library{{"Twitter.agent.lib.nut:2.0.0", "Twitter.agent.lib.nut", "agent", ""}},
	},
	{name: "Loggly", tag: "v1.1.0", libraries: []library{{"Loggly.class.nut:1.1.0", "Loggly.class.nut", "agent", ""}}},
	{name: "Plotly", tag: "v1.0.1", libraries: []library{{"Plotly.class.nut:1.0.1", "plotly.agent.nut", "agent", ""}}},
	{name: "Prowl", tag: "v1.0.1", libraries: []library{{"Prowl.class.nut:1.0.1", "Prowl.class.nut", "agent", ""}}},
	{
		name:      "Losant",
		tag:       "v1.0.0",
		libraries: []library{{"Losant.agent.lib.nut:1.0.0", "Losant.agent.lib.nut", "agent", ""}},
	},
	{
		name:      "IBMWatson",
		tag:       "v1.1.0",
		libraries: []library{{"IBMWatson.class.nut:1.1.0", "ibmwatson.class.nut", "agent", ""}},
	},
	{
		name:      "Salesforce",
		tag:       "v3.0.0",
		libraries: []library{{"Salesforce.agent.lib.nut:3.0.0", "Salesforce.agent.lib.nut", "agent", ""}},
	},
	{
		name:      "BayeuxClient",
		tag:       "v1.0.0",
		libraries: []library{{"BayeuxClient.agent.lib.nut:1.0.0", "BayeuxClient.agent.lib.nut", "agent", ""}},
		agent:     []string{"BayeuxClient.agent.lib.nut:1.0.0"},
	},
	{
		name:      "OAuth-2.0",
		tag:       "v2.1.0",
		libraries: []library{{"OAuth2.agent.lib.nut:2.1.0", "OAuth2.agent.lib.nut", "agent", ""}},
	},
	{
		name:      "Google-PubSub",
		tag:       "v1.1.1",
		libraries: []library{{"GooglePubSub.agent.lib.nut:1.1.1", "GooglePubSub.agent.lib.nut", "agent", ""}},
	},
	{
		name:      "AzureIoTHub",
		tag:       "v5.1.0",
		libraries: []library{{"AzureIoTHub.agent.lib.nut:5.1.0", "AzureIoTHub.agent.lib.nut", "agent", ""}},
		agent:     []string{"AzureIoTHub.agent.lib.nut:5.1.0"},
	},
	{
		name:      "AWSRequestV4",
		tag:       "v1.0.2",
		libraries: []library{{"AWSRequestV4.class.nut:1.0.2", "AWSRequestV4.class.nut", "agent", ""}},
	},
	{
		name:      "AWSLambda",
		tag:       "v1.0.0",
		libraries: []library{{"AWSLambda.agent.lib.nut:1.0.0", "AWSLambda.agent.lib.nut", "agent", ""}},
		skips:     map[string]string{"": "needs an account"},
	},
	{
		name:      "AWSDynamoDB",
		tag:       "v1.0.0",
		libraries: []library{{"AWSDynamoDB.agent.lib.nut:1.0.0", "AWSDynamoDB.agent.lib.nut", "agent", ""}},
	},
	{name: "Button", tag: "v1.2.0", libraries: []library{{"Button.class.nut:1.2.0", "Button.class.nut", "device", ""}}},
	{
		name:      "Si702x",
		tag:       "v2.0.1",
		libraries: []library{{"Si702x.device.lib.nut:2.0.1", "Si702x.device.lib.nut", "device", ""}},
		device:    []string{"Si702x.device.lib.nut:2.0.1"},
		skips:     map[string]string{"ActualHardware": noChip},
	},
	{
		name:      "LIS3DH",
		tag:       "v3.0.0",
		libraries: []library{{"LIS3DH.device.lib.nut:3.0.0", "LIS3DH.device.lib.nut", "device", ""}},
		skips:     map[string]string{"": noChip},
	},
	{
		name:      "HTS221",
		tag:       "v2.0.2",
		libraries: []library{{"HTS221.device.lib.nut:2.0.2", "HTS221.device.lib.nut", "device", ""}},
		skips:     map[string]string{"": noChip},
	},
	{
		name:      "WS2812",
		tag:       "v4.0.1",
		libraries: []library{{"WS2812.class.nut:4.0.1", "WS2812.class.nut", "device", ""}},
		device:    []string{"WS2812.class.nut:4.0.1"},
	},
	{
		name: "GPS", tag: "v1.2.0-GPSUARTDriver", side: "device", device: []string{"GPSParser.device.lib.nut:1.0.0"},
		libraries: []library{
			{"GPSParser.device.lib.nut:1.0.0", "GPSParser.device.lib.nut", "", ""},
			{"GPSUARTDriver.device.lib.nut:1.2.0", "GPSUARTDriver.device.lib.nut", "device", ""},
		},
	},
	{
		name:      "SPIFlashFileSystem",
		tag:       "v3.0.1",
		libraries: []library{{"SPIFlashFileSystem.device.lib.nut:3.0.1", "SPIFlashFileSystem.device.lib.nut", "device", ""}},
		timeout:   60,
		side:      "device",
		device:    []string{"SPIFlashFileSystem.device.lib.nut:3.0.1"},
		known: map[string]string{
			"test13_pageOrderBySpan":   fills,
			"test01_writeMaxPagesFile": fills,
			"test02_maxFileSize":       "the file is missing, because the test before did not create it",
			"test03_maxFileSize":       "the file is missing, because the test before did not create it",
		}},
}

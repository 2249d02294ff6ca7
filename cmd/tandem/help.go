package main

import (
	"maps"

	"github.com/alecthomas/kong"

	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/server"
)

// vars are the variables in the grammar's tags: defaults, and the help texts that
// do not fit a line with their field.
func vars() kong.Vars {
	all := kong.Vars(launch.Words()).CloneWith(kong.Vars{
		"data":    defaultData,
		"http":    server.DefaultHTTP,
		"agents":  server.DefaultAgents,
		"mqtt":    server.DefaultMQTT,
		"cluster": server.DefaultCluster,

		"device_dir": launch.DefaultDir,

		"help_dev": "Develop a pair: run a directory's agent.nut, and its device.nut if there is one, " +
			"and deploy them as they change.",
		"help_dev_dir": "Directory with agent.nut and, for a device that runs here too, device.nut; by default the " +
			"current one.",
		"help_deploy_dir": "Directory with agent.nut and, if devices run code, device.nut; by default the current one.",
		"help_dev_agents": "Where the node listens for requests to the agent (" + server.DefaultAgents + ").",
		"help_deploy": "Deploy a directory's agent.nut and device.nut to a device group of a running node, " +
			"and restart its devices. Prints the deployment's id.",
		"help_validate_tls": "Have the group's agents verify the servers of their HTTPS requests unless the program " +
			"says otherwise; --no-validate-tls turns this off. Without either flag the setting does not change.",
		"help_node": "Data directory of a node on this machine (" + defaultData +
			"; that of tandem dev DIR is DIR/.tandem/node).",
		"help_library_add": "Add a library, which code requires with #require \"NAME:VERSION\". It cannot be changed or " +
			"removed. Adding the same source again changes nothing.",
		"help_device_remove": "Remove a device with its agent, the agent's saved state, and their log.",
		"help_drain": "Move a node's agents to the other nodes without a restart, and wait until it has none. The node " +
			"gets no agents until it is started again or undrained. SIGTERM does the same and then ends the node.",
		"help_run": "Squirrel source; - or nothing reads standard input, line by line when that is a terminal.",
		"help_doc": "Name to look up, such as server.save, server or sendasync; without one, all objects are listed.",
		"help_doc_site": "Write the manual as a web site into a directory instead; " +
			"a node serves the same at /docs/.",
	})
	maps.Copy(all, deviceVars())
	maps.Copy(all, upVars())
	maps.Copy(all, testVars())
	maps.Copy(all, rehearseVars())
	return all
}

func deviceVars() kong.Vars {
	return kong.Vars{
		"help_claim_device": "Make a code for this device, which gets a new key by it: after it was revoked, or lost its " +
			"directory.",
		"help_claim_qr": "Show a single code as a QR code, on standard error.",
		"help_enrol": "Give a device its identity: exchange a claim code for it, or take it from a factory's ticket. The " +
			"same code again gives the same identity, also after a power cut.",
		"help_enrol_node": "Where the device will connect: tcp://HOST:PORT, tls://…, ws://… or wss://…; by default to the " +
			"server by WebSocket.",
		"help_enrol_code": "A claim code, or a ticket as in a QR code; without one, an enrolment that was interrupted is " +
			"completed.",
		"help_provision_in": "Devices to make: CSV with the columns id, name, key, certificate in any order, or a JSON " +
			"object a line. A certificate is a fingerprint. The same file again changes nothing.",
		"help_provision_out": "Write the devices here, with the ids and keys that were made, and tickets for QR codes: " +
			"CSV, or JSON if it is called *.json. The file must not exist; the keys are in no other place.",
		"help_key_rotate": "Give a device a new key. It gets it over its connection, now or when it connects next; the old " +
			"key stays valid until the device has used the new one.",
		"help_key_within": "End the old key after this time, even if the new one was not used.",
		"help_device_revoke": "Make a device's key and certificates worthless. Its connection ends within a second, and it " +
			"cannot come back until it is enrolled again.",
		"help_certificate_issue": "Issue a certificate for a device, from the installation's own authority, for programs " +
			"such as mosquitto_pub.",
		"help_certificate_revoke": "Revoke a certificate of a device, and end the connection that was made with it.",
	}
}

func upVars() kong.Vars {
	return kong.Vars{
		"help_up_http": "Where to listen for HTTP: a page that leads on at /, the API, the manual at /docs/, metrics for " +
			"Prometheus at /metrics, MQTT over WebSocket at /mqtt (" + server.DefaultHTTP + ").",
		"help_up_agents": "Where to listen for requests to agents, whose URLs are http://ADDR/AGENTID (" +
			server.DefaultAgents + ").",
		"help_up_agents_url": "Public URL of the --agents listener, when it differs from its address; goes with --url.",
		"help_up_agent_domain": "Give each agent a host name below this domain, on the HTTP listener, instead of a path " +
			"at --agents. Its pages are apart from all others then. Needs a DNS record for *.DOMAIN and a certificate for it.",
		"help_up_sandbox": "Without --agent-domain: keep agents' pages apart from each other. They have no cookies and " +
			"storage then, and need CORS to reach their own agent.",
		"help_up_proxy": "Address or network of a proxy in front of the node, whose X-Forwarded-For and X-Forwarded-Proto " +
			"are believed; may be given more than once.",
		"help_up_client_ca": "Authority of your own, in PEM, that issues certificates of devices whose common name or " +
			"DNS name is the device's id; may be given more than once. The file is read again when it changes. " +
			"Needs --cert and --key.",
		"help_up_auth":  "What devices must show: any (a key or a certificate), key, certificate or both (any).",
		"help_up_mqtts": "Where to listen for MQTT over TLS; needs --cert and --key.",
		"help_up_url":   "Public URL of the HTTP listener, when it differs from its address.",
		"help_up_database": "Make the node part of the cluster that shares this PostgreSQL database: " +
			"postgres://user:password@host/name.",
		"help_up_node": "The node's name in the cluster; by default a random one, kept in the data directory.",
		"help_up_nats": "NATS servers over which the nodes talk to each other; by default they connect to each other.",
		"help_up_cluster": "Without --nats: where to listen for the other nodes (" +
			server.DefaultCluster + ").",
		"help_up_advertise": "Without --nats: where the other nodes reach this one, when it is not --cluster.",
		"help_up_egress": "Private network, or address of this machine, that agents may reach, by HTTP and MQTT; may be " +
			"given more than once. The node's own listeners stay closed to them.",
		"help_up_memory": "What the node's memory may be, such as 2GiB; near it work is shed. Without it: " +
			"GOMEMLIMIT of the environment, or nine tenths of the container's memory.",
		"help_up_clock": "Offset of this node's clock, to test differing clocks.",
	}
}

// testVars are the help texts of tandem test.
func testVars() kong.Vars {
	return kong.Vars{
		"help_dev_test": "Also run the directory's tests, at first and whenever a file is saved; see tandem test.",
		"help_test":     "Run the tests of a pair: the agent, the device and the link between them in virtual time.",
		"help_test_dir": "Directory with the code and files NAME.test.nut, NAME.agent.test.nut and NAME.device.test.nut, " +
			"also below it; or one with impt's .impt.test. By default the current one.",
		"help_test_tests": "Run only the tests of a file, of a class in it, or one of them.",
		"help_test_coverage": "Show which lines of both sides the tests have executed: in a page that is written to FILE, " +
			"and in percent.",
		"help_test_limit": "How long a test may take of its world's time, beside what it skips itself (1 day).",
		"help_test_include": "Where the files are that tests @include by names with a prefix, such as " +
			"github:electricimp=../libraries; may be given more than once.",
		"help_test_library": "Source of a library that the code or the tests require; may be given more than once. Others " +
			"are those of tandem dev's node, in DIR/.tandem/node.",
	}
}

// rehearseVars are the help texts of tandem rehearse.
func rehearseVars() kong.Vars {
	return kong.Vars{
		"help_rehearse": "Look for what goes wrong with a pair: in virtual time, under restarts, power cuts, bad links and " +
			"other faults.",
		"help_rehearse_dir": "Directory with agent.nut, device.nut and, with what must hold, rehearse.nut; by default the " +
			"current one.",
		"help_rehearse_seed": "Play only the story of a seed again: a number, or 1.N for the single fault with the number N.",
		"help_rehearse_seeds": "How many stories with several faults are played, after each fault was tried alone at each " +
			"point (1000).",
		"help_rehearse_length":   "How long the pair runs in each story (10 minutes); faults happen in the first two fifths.",
		"help_rehearse_coverage": "Write a page with the faults that were tried, and after what, to FILE.",
		"help_rehearse_keep": "Write the story that is found to FILE, which is called NAME.story: tandem test plays it " +
			"from then on.",
	}
}

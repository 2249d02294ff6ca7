package main

import (
	"maps"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/server"
)

// putVars puts the variables into the texts of a model. The library would look through all of them
// again for each flag of each command, which takes longer than most commands.
func putVars(k *kong.Kong) error {
	var pairs []string
	for name, text := range vars() {
		pairs = append(pairs, "${"+name+"}", text)
	}
	words := strings.NewReplacer(pairs...)
	return kong.Visit(k.Model, func(at kong.Visitable, next kong.Next) error {
		switch at := at.(type) {
		case *kong.Application:
			at.Help = words.Replace(at.Help)
		case *kong.Node:
			at.Help = words.Replace(at.Help)
		case *kong.Value:
			putVarsOf(at, words)
		case *kong.Flag:
			putVarsOf(at.Value, words)
		}
		return next(nil)
	})
}

func putVarsOf(v *kong.Value, words *strings.Replacer) {
	v.Help, v.Default = words.Replace(v.Help), words.Replace(v.Default)
	v.Enum = words.Replace(v.Enum)
}

// vars are the variables in the grammar's tags: defaults, and the help texts that
// do not fit a line with their field.
func vars() kong.Vars {
	all := kong.Vars(launch.Words()).CloneWith(kong.Vars{
		"data": defaultData,

		"group_types": strings.Join(groupTypes, ","),
		"http":        server.DefaultHTTP,
		"agents":      server.DefaultAgents,
		"mqtt":        server.DefaultMQTT,
		"cluster":     server.DefaultCluster,

		"device_dir": launch.DefaultDir,

		"help_dev": "Develop a pair: run a directory's agent.nut, and its device.nut if there is one, " +
			"and deploy them as they change.",
		"help_dev_dir": "Directory with agent.nut and, for a device that runs here too, device.nut; by default the " +
			"current one.",
		"help_deploy_dir": "Directory with agent.nut and, if devices run code, device.nut; by default the current one.",
		"help_dev_http":   "Where the node listens for HTTP (" + server.DefaultHTTP + "); at another port if that is taken.",
		"help_dev_agents": "Where the node listens for requests to the agent (" + server.DefaultAgents + "), as before.",
		"help_dev_mqtt":   "Where the node listens for MQTT (" + server.DefaultMQTT + "), as before.",
		"help_dev_egress": "Private network that the agent may reach beside this machine's own servers; may be given more " +
			"than once.",
		"help_dev_verbose": "Also show the bodies of requests, messages in full length, and the node's own log.",
		"help_set_dir": "Directory of the device, as tandem device run has it; by default that of tandem dev, or one in " +
			"the current directory.",
		"help_set_line": "What happens at the board: pin1=1, \"i2c89 0x90 00 = 1a 20\" or another line, as for --board.",
		"help_deploy": "Deploy a directory's agent.nut and device.nut to a device group of a running node, " +
			"and restart its devices. Prints the deployment's id. See --group for what happens without one.",
		"help_validate_tls": "Have the group's agents verify the servers of their HTTPS requests unless the program " +
			"says otherwise; --no-validate-tls turns this off. Without either flag the setting does not change.",
		"help_place_product": "A product, by its name or its id, and all that is in it; without it and --group all of your " +
			"account.",
		"help_role": "viewer, operator, developer, admin or owner; each can do what the one before it can.",
		"help_join": "Use the link of an invitation. A password is asked for, or is the input's first line.",
		"help_join_key": "A login key of the account that is to have the role; without it a new account is made, or the " +
			"administrator's is set up.",
		"help_node": "Data directory of a node on this machine; without it and --context the current context's node, or " +
			defaultData + ", or that of tandem dev in this directory. That of tandem dev DIR is DIR/.tandem/node.",
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
	maps.Copy(all, fleetVars())
	maps.Copy(all, loginVars())
	maps.Copy(all, logVars())
	maps.Copy(all, deviceVars())
	maps.Copy(all, upVars())
	maps.Copy(all, testVars())
	maps.Copy(all, rehearseVars())
	return all
}

// fleetVars are the help texts of what is managed.
func fleetVars() kong.Vars {
	return kong.Vars{
		"help_filter": "Only rows whose column is like the pattern, in which * stands for any text; with != only the " +
			"others. May be given more than once.",
		"help_product": "Name or id of the product to which the device group belongs; not needed when no other product has " +
			"a group of its name.",
		"help_group": "Name or id of the device group, which must exist. Without one it is the group dev of the product " +
			"dev, or of --product, which is made if it does not exist.",
		"help_group_product": "The product to which the device group belongs; not needed when no other product has a group " +
			"of its name.",
		"help_group_change": "Change the name and the settings of a device group, which agents get when they start next.",
		"help_group_remove": "Remove a device group with its deployments. It must have no devices.",
		"help_group_type": "What kind of group it is, development if nothing is said: one of " +
			strings.Join(groupTypes, ", ") + ".",
		"help_env": "Set a variable that programs find in __EI.ENVVARS: a string, or JSON. An empty value takes it away. " +
			"May be given more than once.",
		"help_production_target": "For a fixture: the (pre_)production group for which its devices are made.",
		"help_dut_target":        "For a fixture: the (pre_)dut group of the devices that it tests.",
		"help_load_after_blessing": "Load the group's code onto devices as soon as they are blessed (production types); " +
			"--no-load-code-after-blessing turns this off.",
		"help_min_supported": "The oldest deployment that devices may run, which can only become newer.",
		"help_deployment_remove": "Remove a deployment, which must not be flagged, and be older than the oldest that its " +
			"group supports.",
		"help_webhook_event": "What it is called for: deployment, blinkup or blessing.",
		"help_webhook_type":  "How what is sent is written: json or form.",
		"help_init": "Begin a project: write agent.nut, device.nut and a test of both into a directory, which is made if " +
			"it does not exist.",
		"help_completion": "Print what makes a shell complete commands, flags and names. For bash: source <(tandem " +
			"completion bash).",
	}
}

// loginVars are the help texts of logging in.
func loginVars() kong.Vars {
	return kong.Vars{
		"help_context": "A login of tandem login, by its name, or local; by default the one that was used or made last.",
		"help_cacert": "Certificates of authorities, in PEM, of which one has signed the node's certificate; by default " +
			"those that this machine knows.",
		"help_context_use": "Name of the context, or local for the node on this machine.",
		"help_login_url":   "URL of the node; by default the current context's, which is logged in again.",
		"help_login_account": "User name or e-mail address; otherwise it is asked for. The password is asked for, or is " +
			"the input's next line.",
		"help_login_otp":     "One-time password or recovery code, if the account has them; otherwise it is asked for.",
		"help_login_key":     "Log in with a login key instead of a password.",
		"help_login_context": "Name of the context (ACCOUNT@HOST).",
		"help_key_password":  "The account's password is asked for, or is the input's first line.",
		"help_otp_enable": "Make a secret for an authenticator, and enable one-time passwords. The account's password and " +
			"the first one-time password are asked for, or are the input's lines. Prints recovery codes.",
		"help_otp_disable": "Disable one-time passwords. The password and a one-time password are asked for, or are the " +
			"input's lines.",
		"help_otp_account": "An account whose owner has lost them, if you are the operator; by default yours.",
	}
}

// logVars are the help texts of tandem log.
func logVars() kong.Vars {
	return kong.Vars{
		"help_log_lines": "Number of past lines of each device (20; all with --since).",
		"help_log_since": "Only lines from then on: how long ago, such as 90m or 2d, or when, such as 2026-11-23T17:35 or " +
			"17:35.",
		"help_log_grep": "Only lines whose text has this in it, a regular expression of Go; (?i) before it ignores case.",
		"help_line_level": "Only error, the errors of programs; or status, these and what happens to the pair; or log, " +
			"everything, if nothing is said.",
	}
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
		"help_test_limit": "How long a test may take of its world's time, beside what it skips itself (1 day; with " +
			"--real 1 minute, and no single wait may be longer).",
		"help_test_real": "Run the tests for real: on a node of their own in a temporary directory, with a device, in real " +
			"time.",
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

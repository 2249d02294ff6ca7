package central

import (
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
)

// route is a method on a path. A word of the path that begins with a colon matches
// any word.
type route struct {
	method, path string
	do           func(*call) error
	open         bool   // needs no token
	about        string // for docs/api.md
}

var routes = []route{
	{
		"POST", "auth", (*call).logIn, true,
		"exchanges a user name or an e-mail address and a password, `{\"id\": …, \"password\": …}`, for an access " +
			"token, which lasts an hour, and a refresh token, which lasts a year. An account with one-time passwords gets " +
			"403 with code `PX200` and a `login_token` in `meta`: send `{\"login_token\": …}` with one in the header " +
			"`X-Electricimp-OTP-Token`, or with a recovery code",
	},
	{
		"POST", "auth/token", (*call).exchange, true,
		"exchanges a login key, `{\"key\": …}`, or a refresh token, `{\"token\": …}`, for an access token",
	},
	{"GET", "openapi.json", (*call).getDescription, true, "this API in OpenAPI 3.1 (Tandem's own)"},
	{
		"GET", "accounts", (*call).listAccounts, false,
		"the accounts that the caller can see: its own, and those that share something with it; administrators see all",
	},
	{
		"POST", "accounts", (*call).addAccount, false,
		"makes an account: `username`, `email`, `password`; only administrators can (Tandem's own)",
	},
	{"GET", "accounts/me/refresh_tokens", (*call).listRefreshTokens, false, "the account's refresh tokens"},
	{
		"DELETE", "accounts/me/refresh_tokens/:id", (*call).deleteRefreshToken, false,
		"ends a refresh token; access tokens that it has given stay valid",
	},
	{"GET", "accounts/me/login_keys", (*call).listLoginKeys, false, "the account's login keys"},
	{
		"POST", "accounts/me/login_keys", (*call).addLoginKey, false,
		"makes a login key: `description`. Its id is the key. This and the next two want the account's password in the " +
			"header `X-Electricimp-Password`",
	},
	{"GET", "accounts/me/login_keys/:id", (*call).getLoginKey, false, "a login key: `description`, `usages`"},
	{"PATCH", "accounts/me/login_keys/:id", (*call).changeLoginKey, false, "changes its `description`"},
	{"DELETE", "accounts/me/login_keys/:id", (*call).deleteLoginKey, false, "deletes a login key"},
	{"GET", "accounts/:id", (*call).getAccount, false, "an account, by its id; `me` is the caller's"},
	{
		"PATCH", "accounts/:id", (*call).changeAccount, false,
		"changes the `password`, which ends all its tokens. The header `X-Electricimp-Password` has the old one; " +
			"administrators need none, and change any account, and whether it is an `administrator` (Tandem's own)",
	},
	{"GET", "accounts/me/otp", (*call).getSecond, false, "whether the account has one-time passwords (Tandem's own)"},
	{
		"POST", "accounts/me/otp", (*call).addSecond, false,
		"makes a `secret` for one-time passwords, with a `url` for authenticators; wants the password in the header " +
			"(Tandem's own)",
	},
	{
		"POST", "accounts/me/otp/confirm", (*call).confirmSecond, false,
		"enables them, with a first one in the header `X-Electricimp-OTP-Token`; only this answer has the " +
			"`recovery_codes` (Tandem's own)",
	},
	{
		"DELETE", "accounts/:id/otp", (*call).deleteSecond, false,
		"ends them, with the password and a one-time password in the headers; administrators need neither for another " +
			"account (Tandem's own)",
	},
	{
		"GET", "accounts/:id/capabilities", (*call).getCapabilities, false,
		"what an account may do, and the caller's `role` with it (Tandem's own)",
	},
	{
		"GET", "collaborators", (*call).listCollaborators, false,
		"who has a role at a place and in it, and which: `role`, `username`; `filter[owner.id]`, by default the caller, " +
			"`[product.id]`, `[devicegroup.id]`, or `[member.id]`, the caller: where it has roles (Tandem's own)",
	},
	{
		"POST", "collaborators", (*call).addCollaborator, false,
		"gives an account a `role`: `username`, which may be its e-mail address; relationship `devicegroup`, `product` or " +
			"`owner`, an account (Tandem's own)",
	},
	{
		"PATCH", "collaborators/:id", (*call).changeCollaborator, false,
		"changes the `role` (Tandem's own)",
	},
	{
		"DELETE", "collaborators/:id", (*call).deleteCollaborator, false,
		"ends a role, with the claim codes and invitations that its account has made there and that were not used. An " +
			"account can end its own (Tandem's own)",
	},
	{
		"GET", "invitations", (*call).listInvitations, false,
		"invitations to a place and to what is in it: `role`, `email`, `expires_at`, `used_at`; filters as for " +
			"collaborators (Tandem's own)",
	},
	{
		"POST", "invitations", (*call).addInvitation, false,
		"makes a link that gives who opens it a `role`, and an account if they have none; `email`, for people, and " +
			"`expires_in` seconds, a week by default; relationship `devicegroup`, `product` or `owner`. Without a role it is " +
			"for an account alone, and only administrators make it. Only this answer has the `token` and the " +
			"`url` (Tandem's own)",
	},
	{"DELETE", "invitations/:id", (*call).deleteInvitation, false, "withdraws an invitation (Tandem's own)"},
	{
		"POST", "invitations/accept", (*call).acceptInvitation, true,
		"uses an invitation: `{\"token\": …}` with an access token for the caller's account, or with `username`, `email` " +
			"and `password` for a new one (Tandem's own)",
	},
	{
		"GET", "audit", (*call).listAudit, false,
		"what was changed, the newest first: `at`, `actor`, `source`, an address, `action`, `kind` and `object`, `before` " +
			"and `after`; `filter[owner.id]`, by default the caller (`any` for administrators), `[product.id]`, " +
			"`[devicegroup.id]`, `[actor.id]` (Tandem's own)",
	},
	{"GET", "products", (*call).listProducts, false, "products; `filter[owner.id]`"},
	{
		"POST", "products", (*call).addProduct, false,
		"makes a product: `name`, `description`; relationship `owner`, by default the caller",
	},
	{"GET", "products/:id", (*call).getProduct, false, "a product"},
	{"PATCH", "products/:id", (*call).changeProduct, false, "changes `name`, `description`"},
	{"DELETE", "products/:id", (*call).deleteProduct, false, "deletes a product without device groups"},
	{"GET", "devicegroups", (*call).listGroups, false, "device groups; `filter[owner.id]`, `[product.id]`, `[type]`"},
	{
		"POST", "devicegroups", (*call).addGroup, false,
		"makes a device group of one of the seven types below: `name`, `description`, `env_vars`, `region` (production " +
			"types), `validate_tls` (Tandem's own); relationships `product`, and for fixtures `production_target`, `dut_target`",
	},
	{"GET", "devicegroups/:id", (*call).getGroup, false, "a device group"},
	{
		"PATCH", "devicegroups/:id", (*call).changeGroup, false,
		"changes `name`, `description`, `env_vars`, `load_code_after_blessing` (production types), `validate_tls`: whether " +
			"its agents' requests verify servers by default, from their next start on (Tandem's own); relationships " +
			"`production_target`, `dut_target`",
	},
	{
		"DELETE", "devicegroups/:id", (*call).deleteGroup, false,
		"deletes a device group without devices and flagged deployments, and its deployments with it",
	},
	{
		"POST", "devicegroups/:id/restart", (*call).restartGroup, false,
		"restarts both sides of all its pairs with the current deployment",
	},
	{
		"POST", "devicegroups/:id/conditional_restart", (*call).restartGroup, false,
		"the same: what runs is told by `server.onshutdown`, and can choose the time",
	},
	{
		"PUT", "devicegroups/:id/relationships/min_supported_deployment", (*call).setMinSupported, false,
		"sets the oldest deployment that devices may run, which can only become newer: " +
			"`{\"data\": {\"type\": \"deployment\", \"id\": …}}`",
	},
	{
		"POST", "devicegroups/:id/relationships/devices", (*call).assignDevices, false,
		"assigns devices, which restart with the group's code: `{\"data\": [{\"type\": \"device\", \"id\": …}]}`",
	},
	{
		"DELETE", "devicegroups/:id/relationships/devices", (*call).unassignDevices, false,
		"takes devices out of the group; the same body",
	},
	{
		"GET", "deployments", (*call).listDeployments, false,
		"deployments without their code, the newest first; `filter[owner.id]`, `[creator.id]`, `[product.id]`, " +
			"`[devicegroup.id]`, `[sha]`, `[flagged]` (`true`, `false`, `any`), `[flagger.id]`, `[tags]` (all of them, " +
			"separated by commas)",
	},
	{
		"POST", "deployments", (*call).addDeployment, false,
		"makes a deployment the group's current one and restarts nothing: `agent_code`, `device_code`, `description`, " +
			"`origin`, `flagged`, `tags`; relationship `devicegroup`",
	},
	{"GET", "deployments/:id", (*call).getDeployment, false, "a deployment with its code"},
	{"PATCH", "deployments/:id", (*call).changeDeployment, false, "changes `description`, `flagged`, `tags`"},
	{
		"DELETE", "deployments/:id", (*call).deleteDeployment, false,
		"deletes a deployment that is not flagged and older than its group's `min_supported_deployment`",
	},
	{"GET", "webhooks", (*call).listWebhooks, false, "webhooks; `filter[owner.id]`, `[devicegroup.id]`"},
	{
		"POST", "webhooks", (*call).addWebhook, false,
		"makes a webhook: `url`, `event` (`deployment`, `blinkup`, `blessing`), `content_type` (`application/json`, " +
			"`application/x-www-form-urlencoded`); relationship `devicegroup`. Only this answer has the `secret` that signs " +
			"its deliveries (Tandem's own)",
	},
	{"GET", "webhooks/:id", (*call).getWebhook, false, "a webhook"},
	{"PATCH", "webhooks/:id", (*call).changeWebhook, false, "changes `url`, `content_type`"},
	{"DELETE", "webhooks/:id", (*call).deleteWebhook, false, "deletes a webhook, with what it has not delivered"},
	{
		"GET", "webhooks/:id/deliveries", (*call).listDeliveries, false,
		"what a webhook has not delivered, the newest first: `state` (`waiting`, `dead`), `attempts`, `reason`, `body` " +
			"(Tandem's own)",
	},
	{
		"GET", "libraries", (*call).listLibraries, false,
		"libraries that code can `#require`: `name`, `supported`; relationship `versions`, a list whose ids are what " +
			"code asks for",
	},
	{
		"POST", "libraries", (*call).addLibrary, false,
		"adds a version of a library, which cannot be changed or deleted: `name`, `version`, `code` (Tandem's own)",
	},
	{
		"GET", "devices", (*call).listDevices, false,
		"devices; `filter[owner.id]`, `[product.id]`, `[devicegroup.id]`, `[devicegroup.type]`, " +
			"`[devicegroup.owner.id]` (`null`: unassigned), `[account.id]`, the same as `[owner.id]`",
	},
	{
		"POST", "devices", (*call).addDevice, false,
		"makes a device: `name`; relationship `devicegroup`. The answer's attribute `key` is its key, " +
			"which is shown only here (Tandem's own)",
	},
	{"GET", "devices/:id", (*call).getDevice, false, "a device, by its id, its agent's id or its MAC address"},
	{
		"PATCH", "devices/:id", (*call).renameDevice, false,
		"renames a device: `name`; `null` and an empty one take the name away",
	},
	{
		"DELETE", "devices/:id", (*call).deleteDevice, false,
		"deletes an unassigned device with its log and its agent's state",
	},
	{
		"POST", "devices/:id/restart", (*call).restartDevice, false,
		"restarts both sides of a pair; with `?side=agent` or `?side=device` one of them; " +
			"with `?give_up_saved` the agent starts without what is damaged of what it has saved (Tandem's own)",
	},
	{
		"POST", "devices/:id/conditional_restart", (*call).restartConditionally, false,
		"makes both sides run the group's code. What runs is told by `server.onshutdown`, and can choose the time; " +
			"a device that has this code already goes on",
	},
	{
		"GET", "devices/:id/history", (*call).listHistory, false,
		"what has happened to a device, the newest first: `timestamp`, `event` (`enrolled`, `assigned`, `unassigned`), " +
			"`owner_id`, `actor_id`, `devicegroup_id`",
	},
	{"GET", "devices/:id/logs", (*call).listLogs, false, "a device's log, the newest line first: `ts`, `type`, `msg`"},
	{
		"POST", "devices/:id/key", (*call).rotateKey, false,
		"rotates a device's key: the device gets the new one over its link, now or when it connects, or with `print` " +
			"the answer's attribute `key` is it. The old one stays valid until the new one was used, or for `within` " +
			"seconds (Tandem's own)",
	},
	{
		"GET", "devices/:id/credentials", (*call).getCredentials, false,
		"how far the rotation of its key is, whether it is revoked, and its `certificates` (Tandem's own)",
	},
	{
		"POST", "devices/:id/revoke", (*call).revokeDevice, false,
		"makes a device's key and certificates worthless, and ends its connection within a second (Tandem's own)",
	},
	{
		"POST", "devices/:id/certificates", (*call).addCertificate, false,
		"issues a certificate for the key of `csr`, a PKCS #10 request in DER, in base64 (Tandem's own)",
	},
	{
		"DELETE", "devices/:id/certificates/:fingerprint", (*call).revokeCertificate, false,
		"revokes a certificate, and ends the connection that was made with it (Tandem's own)",
	},
	{
		"GET", "authority", (*call).getAuthority, false,
		"the `certificate`, in PEM, of the installation's authority for devices (Tandem's own)",
	},
	{
		"GET", "claims", (*call).listClaims, false,
		"claim codes, without the codes: `expires_at`, `used_at`; relationships `devicegroup`, `device` (Tandem's own)",
	},
	{
		"POST", "claims", (*call).addClaims, false,
		"makes `count` claim codes that live for `expires_in` seconds, a day by default; relationship `devicegroup`, for " +
			"new devices, or `device`. The answer is a list; only it has each `code`, and its `ticket` for a QR code " +
			"(Tandem's own)",
	},
	{"DELETE", "claims/:id", (*call).deleteClaim, false, "revokes an unused claim code (Tandem's own)"},
	{
		"POST", "enrol", (*call).enrolDevice, true,
		"exchanges a claim code for an identity, `{\"code\", \"key_hash\", \"csr\"}`: the hash is the SHA-256 of a key " +
			"that the device has made, in hexadecimal, and `csr` may be left out. The same request again has the same answer, " +
			"`{\"device\", \"agent_url\", \"certificate\"}`. Needs no token (Tandem's own)",
	},
	{
		"POST", "provision", (*call).provision, false,
		"makes up to 1000 `devices`, all or none, from `id`, `name`, `key_hash` and `certificate`, a fingerprint; " +
			"relationship `devicegroup`. Devices that exist with the same key are left as they are (Tandem's own)",
	},
	{
		"POST", "logstream", (*call).openStream, false,
		"opens a log stream. With attributes `devices`, a list of ids, and `lines` it follows these from their last " +
			"lines on, without a gap or a doubled line (Tandem's own)",
	},
	{
		"GET", "logstream/:id", (*call).readStream, true,
		"reads a log stream as server-sent events, with `?format=json` or `?format=text`, the default; needs no token, " +
			"for its id is the secret",
	},
	{"PUT", "logstream/:id/:device", (*call).addToStream, false, "follows a device from now on"},
	{"DELETE", "logstream/:id/:device", (*call).dropFromStream, false, "stops following a device"},
	{
		"GET", "cluster", (*call).getCluster, false,
		"the nodes of the cluster, with their shards, agents and moves (Tandem's own)",
	},
	{
		"POST", "cluster/nodes/:id/drain", (*call).drainNode, false,
		"moves all agents of a node to the other nodes; the node gets none until it is started again or undrained " +
			"(Tandem's own)",
	},
	{
		"POST", "cluster/nodes/:id/undrain", (*call).undrainNode, false,
		"lets a drained node get agents again (Tandem's own)",
	},
}

func (r route) matches(c *call) bool {
	words := strings.Split(r.path, "/")
	if len(words) != len(c.path) {
		return false
	}
	for i, w := range words {
		if w != c.path[i] && (w[0] != ':' || c.path[i] == "") {
			return false
		}
	}
	return true
}

// serve never answers 405: the path of a resource whose name has a slash in it can
// look like another route, and clients expect 404 for it.
func (c *call) serve() error {
	for _, r := range routes {
		if r.method != c.r.Method || !r.matches(c) {
			continue
		}
		if !r.open {
			if err := c.authorize(); err != nil {
				return err
			}
			if err := c.pace(); err != nil {
				return err
			}
		}
		if err := c.enter(needs[r.method+" "+r.path]); err != nil {
			return err
		}
		c.record(r)
		if err := c.checkQuery(r); err != nil {
			return err
		}
		return r.do(c)
	}
	return c.noRoute()
}

// noRoute is the error of a path or a method that the API does not have.
func (c *call) noRoute() error {
	var methods []string
	for _, r := range routes {
		if r.matches(c) && !slices.Contains(methods, r.method) {
			methods = append(methods, r.method)
		}
	}
	if methods == nil {
		return tandem.Errorf(tandem.NotFound, "No Such Route: There is no %s in this API; docs/api.md lists its routes.",
			c.r.URL.Path)
	}
	return tandem.Errorf(tandem.NotFound, "No Such Route: There is no %s of %s; there is %s.",
		c.r.Method, c.r.URL.Path, strings.Join(methods, ", "))
}

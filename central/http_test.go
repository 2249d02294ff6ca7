package central

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// step is one call to the API and what its answer must be.
type step struct {
	method, path string
	token        string // "": a good one; none; or as it is
	body         string
	status       int
	want         []string // fragments of the answer
	not          []string // what it must not have
	save         string   // keeps data.id under this name
}

const (
	none     = "none"
	anID     = "11111111-2222-4333-8444-555555555555"
	noDevice = "0123456789abcdef"
)

// Relationships of what is made, without their end.
const (
	ofProduct = `"relationships":{"product":{"type":"product","id":"{product}"}`
	ofGroup   = `"relationships":{"devicegroup":{"type":"development_devicegroup","id":"{group}"}`
)

// story goes through every route, in an order that makes sense.
var story = []step{
	{method: "POST", path: "/auth/token", token: none, body: `{"key": "{key}"}`, status: 200, want: []string{`"access_token":"`, `"expires_in":3600`, `"expires_at":"20`}},
	{method: "POST", path: "/auth/token", token: none, body: `{"key": "0000000000000000"}`, status: 404, want: []string{"no such login key"}},
	{method: "POST", path: "/auth/token", token: none, body: `null`, status: 400, want: []string{"login key"}},
	{method: "POST", path: "/auth/token", token: none, body: ``, status: 400},
	{method: "POST", path: "/auth/token", token: none, body: `{"key": `, status: 400, want: []string{"JSON"}},
	{method: "POST", path: "/auth", token: none, body: `{"id": "operator", "password": "{password}"}`, status: 200, want: []string{`"access_token":"`, `"refresh_token":"`, `"expires_in":3600`}},
	{method: "POST", path: "/auth", token: none, body: `{"id": "Operator@localhost", "password": "{password}"}`, status: 200},
	{method: "POST", path: "/auth", token: none, body: `{"id": "operator", "password": "wrong-password"}`, status: 401},
	{method: "POST", path: "/auth", token: none, body: `{"id": "x", "password": "{password}"}`, status: 401},
	{method: "POST", path: "/auth", token: none, body: `{"id": "operator"}`, status: 400},
	{method: "POST", path: "/auth", token: none, body: `{"name": "operator"}`, status: 400, want: []string{"name", "id, login_token, password"}},
	{method: "POST", path: "/auth/token", token: none, body: `{"token": "{key}"}`, status: 404, want: []string{"no such refresh token"}},
	{method: "GET", path: "/accounts/me", status: 200, want: []string{`"username":"operator"`}, save: "me"},
	{method: "GET", path: "/accounts/{me}", status: 200, want: []string{`"email":"operator@localhost"`}},
	{method: "GET", path: "/accounts/" + anID, status: 404},
	{method: "GET", path: "/accounts/me/capabilities", status: 200, want: []string{`"operate":true`}},
	{method: "POST", path: "/accounts", body: `{"data":{"type":"account","attributes":{"username":"ann","email":"ann@example.com","password":"correct horse"}}}`, status: 201, save: "ann"},
	{method: "POST", path: "/accounts", body: `{"data":{"type":"account","attributes":{"username":"Ann","email":"a@example.com","password":"correct horse"}}}`, status: 409, want: []string{"unique"}},
	{method: "POST", path: "/accounts", body: `{"data":{"type":"account","attributes":{"username":"bob","email":"bob@example.com","password":"short"}}}`, status: 400, want: []string{"at least 8"}},
	{method: "POST", path: "/accounts", body: `{"data":{"type":"account","attributes":{"username":"bob","email":"bob","password":"correct horse"}}}`, status: 400, want: []string{"e-mail"}},
	{method: "GET", path: "/accounts", status: 200, want: []string{`"ann"`, `"operator"`}, not: []string{"password"}},
	{method: "PATCH", path: "/accounts/{ann}", body: `{"data":{"type":"account","id":"{ann}","attributes":{"password":"other horse"}}}`, status: 200},
	{method: "PATCH", path: "/accounts/{ann}", body: `{"data":{"attributes":{"username":"x"}}}`, status: 400, want: []string{"username"}},
	{method: "GET", path: "/accounts/me/otp", status: 404},
	{method: "POST", path: "/accounts/me/otp", body: `{"data":{"type":"otp"}}`, status: 201, want: []string{`"enabled":false`, `"secret":"`, "otpauth://totp/"}},
	{method: "POST", path: "/accounts/me/otp/confirm", body: "null", status: 403},
	{method: "DELETE", path: "/accounts/me/otp", body: "null", status: 204},
	{method: "DELETE", path: "/accounts/{ann}/otp", body: "null", status: 404},
	{method: "GET", path: "/accounts/me/refresh_tokens", status: 200, want: []string{`"type":"refresh_token"`}},
	{method: "DELETE", path: "/accounts/me/refresh_tokens/" + anID, status: 404},
	{method: "GET", path: "/accounts/me/login_keys", status: 200, want: []string{"{key}"}},
	{method: "POST", path: "/accounts/me/login_keys", body: `{"data":{"type":"login_key"}}`, status: 201, save: "made", want: []string{`"usages":0`}},
	{method: "PATCH", path: "/accounts/me/login_keys/{made}", body: `{"data":{"type":"login_key","id":"{made}","attributes":{"description":"for scripts"}}}`, status: 200, want: []string{"for scripts"}},
	{method: "GET", path: "/accounts/me/login_keys/{made}", status: 200, want: []string{"for scripts"}},
	{method: "GET", path: "/accounts/me/login_keys/0000000000000000", status: 404},
	{method: "DELETE", path: "/accounts/me/login_keys/{made}", body: "null", status: 204},
	{method: "DELETE", path: "/accounts/me/login_keys/{made}", status: 404},
	{method: "GET", path: "/accounts/me", token: none, status: 401, want: []string{`"status":"401"`, "login key", `"meta":[{}]`}},
	{method: "GET", path: "/accounts/me", token: "wrong", status: 401},
	{method: "GET", path: "/accounts/me", body: "null", status: 200},

	{method: "GET", path: "/products", body: "null", status: 200, want: []string{`"data":[]`, `"links":{`}, not: []string{`"next"`, `"prev"`}},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"lamp","description":"it shines"}}}`, status: 201, save: "product",
		want: []string{
			`"type":"product"`, `"name":"lamp"`, `"description":"it shines"`,
			`"owner":{"type":"account","id":"{me}"}`, `"creator":{`, `/v5/products/`,
		}},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"lamp"}}}`, status: 409,
		want: []string{`"title":"Duplicate Resource"`, `"detail":"Products must have unique names."`, `"meta":[{}]`},
		not:  []string{`"id"`}},
	{method: "POST", path: "/products", body: `null`, status: 400, want: []string{"needs a name"}},
	{method: "POST", path: "/products", body: `{"data":{"attributes":{"name":7}}}`, status: 400, want: []string{"name must be a string"}, not: []string{"Go", "unmarshal"}},
	{method: "POST", path: "/products", body: `{"data":{"type":"banana","attributes":{"name":"x"}}}`, status: 400, want: []string{"banana"}},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"x","Name":"y","colour":"red"}}}`, status: 400, want: []string{`\"Name\" is not known`}},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"x"},"relationships":{"owner":{"type":"account","id":"` + anID + `"}}}}`, status: 404, want: []string{"no such account"}},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"x"},"relationships":{"owner":{"type":"account","id":"{ann}"}}}}`, status: 403, want: []string{"Invalid Permission"}},
	{method: "GET", path: "/collaborators", status: 200, want: []string{`"data":[]`}},
	{method: "POST", path: "/collaborators", body: `{"data":{"type":"collaborator","attributes":{"username":"ann","role":"viewer"},"relationships":{"product":{"type":"product","id":"{product}"}}}}`, status: 201,
		want: []string{`"role":"viewer"`, `"username":"ann"`}, save: "collaborator"},
	{method: "POST", path: "/collaborators", body: `{"data":{"attributes":{"username":"ann@example.com","role":"admin"},"relationships":{"product":{"id":"{product}"}}}}`, status: 409, want: []string{"change its role"}},
	{method: "POST", path: "/collaborators", body: `{"data":{"attributes":{"username":"ann","role":"root"},"relationships":{"product":{"id":"{product}"}}}}`, status: 400, want: []string{"viewer, operator, developer, admin, owner"}},
	{method: "POST", path: "/collaborators", body: `{"data":{"attributes":{"username":"zoe","role":"admin"},"relationships":{"product":{"id":"{product}"}}}}`, status: 404, want: []string{"invite its owner"}},
	{method: "POST", path: "/collaborators", body: `{"data":{"attributes":{"username":"operator","role":"admin"},"relationships":{"product":{"id":"{product}"}}}}`, status: 409, want: []string{"owns this already"}},
	{method: "POST", path: "/collaborators", body: `{"data":{"attributes":{"username":"ann","role":"admin"}}}`, status: 400, want: []string{"name the place"}},
	{method: "POST", path: "/collaborators", body: `{"data":{"attributes":{"username":"ann","role":"admin"},"relationships":{"product":{"id":"{product}"},"owner":{"id":"{ann}"}}}}`, status: 400, want: []string{"name one of"}},
	{method: "GET", path: "/collaborators?filter[product.id]={product}", status: 200, want: []string{"{collaborator}"}},
	{method: "GET", path: "/collaborators?filter[member.id]=me", status: 200, want: []string{`"data":[]`}},
	{method: "GET", path: "/collaborators?filter[product.id]=" + anID, status: 404},
	{method: "PATCH", path: "/collaborators/{collaborator}", body: `{"data":{"attributes":{"role":"developer"}}}`, status: 200, want: []string{`"role":"developer"`}},
	{method: "PATCH", path: "/collaborators/{collaborator}", body: `{"data":{"attributes":{}}}`, status: 400},
	{method: "DELETE", path: "/collaborators/{collaborator}", status: 204},
	{method: "DELETE", path: "/collaborators/{collaborator}", status: 404, want: []string{"no such collaborator"}},
	{method: "POST", path: "/invitations", body: `{"data":{"type":"invitation","attributes":{"role":"operator","email":"dave@example.com"},"relationships":{"product":{"id":"{product}"}}}}`, status: 201,
		want: []string{`"token":"`, `/join?token=`}, save: "invitation"},
	{method: "POST", path: "/invitations", body: `{"data":{"attributes":{"role":"operator","expires_in":1e9},"relationships":{"product":{"id":"{product}"}}}}`, status: 400, want: []string{"2160h"}},
	{method: "POST", path: "/invitations", body: `{"data":{"attributes":{"role":"operator"}}}`, status: 400, want: []string{"name the place"}},
	{method: "POST", path: "/invitations", body: `{"data":{"attributes":{"email":"erin@example.com"}}}`, status: 201, want: []string{`"role":null`}, save: "newcomers"},
	{method: "GET", path: "/invitations?filter[product.id]={product}", status: 200, want: []string{"{invitation}"}, not: []string{`"token"`}},
	{method: "DELETE", path: "/invitations/{invitation}", status: 204},
	{method: "DELETE", path: "/invitations/{newcomers}", status: 204},
	{method: "DELETE", path: "/invitations/{newcomers}", status: 404, want: []string{"no such invitation"}},
	{method: "POST", path: "/invitations/accept", token: none, body: `{"token":"x","username":"dave","email":"dave@example.com","password":"correct horse"}`, status: 404, want: []string{"ask for another one"}},
	{method: "POST", path: "/invitations/accept", token: "wrong", body: `{"token":"x"}`, status: 401},
	{method: "POST", path: "/invitations/accept", body: `{"token":"x","username":"dave"}`, status: 400, want: []string{"send the token alone"}},
	{method: "GET", path: "/audit?page[size]=2", status: 200, want: []string{`"action":"DELETE /invitations/:id"`, `"actor":"operator"`, `"kind":"invitation"`, `"after":null`}},
	{method: "GET", path: "/audit?filter[product.id]={product}", status: 200, want: []string{`"action":"PATCH /collaborators/:id"`, `"after":{"role":"developer"}`, `"before":{"role":"viewer"}`}},
	{method: "GET", path: "/audit?filter[owner.id]=any&page[size]=1", status: 200, want: []string{`"next"`}},
	{method: "GET", path: "/audit?filter[owner.id]=any&filter[actor.id]={ann}", status: 400},
	{method: "GET", path: "/audit?filter[actor.id]={ann}", status: 200, want: []string{`"data":[]`}},
	{method: "GET", path: "/audit?filter[product.id]=" + anID, status: 404},
	{method: "GET", path: "/openapi.json", token: none, status: 200, want: []string{`"openapi": "3.1.0"`}},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"x"},"relationships":{"group":{"type":"account","id":"{ann}"}}}}`, status: 400},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"` + strings.Repeat("x", 300) + `"}}}`, status: 400, want: []string{"80 characters"}},
	{method: "PATCH", path: "/products/{product}", body: `{"data":{"type":"product","id":"{product}","attributes":{"description":"it shines"}}}`, status: 200, want: []string{`"name":"lamp"`}},
	{method: "PATCH", path: "/products/{product}", body: `{"data":{"type":"product","id":"{ann}","attributes":{}}}`, status: 400},
	{method: "PATCH", path: "/products/" + anID, body: `{"data":{"attributes":{}}}`, status: 404},
	{method: "GET", path: "/products?filter[bogus]=1", status: 400, want: []string{"filter[bogus] is not known"}},
	{method: "GET", path: "/products?filter[owner.id]={me}&filter[owner.id]={ann}", status: 400, want: []string{"twice"}},
	{method: "POST", path: "/products", body: `{`, status: 400, want: []string{"JSON"}},
	{method: "GET", path: "/products/{product}", body: "null", status: 200, want: []string{`"id":"{product}"`}},
	{method: "GET", path: "/products?filter[owner.id]={me}", status: 200, want: []string{"{product}"}},
	{method: "GET", path: "/products?filter[owner.id]=unknown", status: 200, want: []string{`"data":[]`}},

	{method: "POST", path: "/devicegroups", status: 201, save: "group",
		body: `{"data":{"type":"development_devicegroup","attributes":{"name":"dev","env_vars":{"z":1,"a":2}},` +
			`"relationships":{"product":{"type":"product","id":"{product}"}}}}`,
		want: []string{
			`"type":"development_devicegroup"`, `"env_vars":{"z":1,"a":2}`,
			`"product":{"type":"product","id":"{product}"}`,
		}, not: []string{"current_deployment"}},
	{method: "POST", path: "/devicegroups", status: 201, save: "other",
		body: `{"data":{"type":"production_devicegroup","attributes":{"name":"shop","validate_tls":true},` +
			`"relationships":{"product":{"type":"product","id":"{product}"}}}}`,
		want: []string{`"type":"production_devicegroup"`, `"env_vars":{}`, `"validate_tls":true`}},
	{method: "POST", path: "/devicegroups", status: 409, want: []string{"Devicegroups must have unique names."},
		body: `{"data":{"type":"development_devicegroup","attributes":{"name":"dev"},` +
			`"relationships":{"product":{"type":"product","id":"{product}"}}}}`},
	{method: "POST", path: "/devicegroups", body: `{"data":{"type":"devicegroup","attributes":{"name":"x"}}}`, status: 400, want: []string{"development_devicegroup"}},
	{method: "POST", path: "/devicegroups", body: `{"data":{"type":"development_devicegroup","attributes":{}}}`, status: 400, want: []string{"name"}},
	{method: "POST", path: "/devicegroups", body: `{"data":{"type":"development_devicegroup","attributes":{"name":"x","env_vars":[1]}}}`, status: 400, want: []string{"env_vars"}},
	{method: "POST", path: "/devicegroups", body: `{"data":{"type":"development_devicegroup","attributes":{"name":"x"},"relationships":{"product":{"type":"product","id":"y"}}}}`, status: 404, want: []string{"no such product"}},
	{method: "POST", path: "/devicegroups", status: 201, save: "dut", body: `{"data":{"type":"dut_devicegroup","attributes":{"name":"dut"},"relationships":{"product":{"type":"product","id":"{product}"}}}}`},
	{method: "POST", path: "/devicegroups", status: 201, save: "fixture",
		body: `{"data":{"type":"factoryfixture_devicegroup","attributes":{"name":"fixture"},` + ofProduct +
			`,"production_target":{"type":"production_devicegroup","id":"{other}"},"dut_target":{"type":"dut_devicegroup","id":"{dut}"}}}}`,
		want: []string{
			`"production_target":{"type":"production_devicegroup","id":"{other}"}`,
			`"dut_target":{"type":"dut_devicegroup","id":"{dut}"}`,
		}},
	{method: "POST", path: "/devicegroups", status: 400, want: []string{"dut_target"},
		body: `{"data":{"type":"factoryfixture_devicegroup","attributes":{"name":"fixture 2"},` + ofProduct +
			`,"production_target":{"type":"production_devicegroup","id":"{other}"}}}}`},
	{method: "PATCH", path: "/devicegroups/{fixture}", status: 400, want: []string{"must be a production_devicegroup"},
		body: `{"data":{"attributes":{},"relationships":{"production_target":{"type":"devicegroup","id":"{dut}"}}}}`},
	{method: "DELETE", path: "/devicegroups/{dut}", status: 409, want: []string{"Devicegroup In Use"}},
	{method: "GET", path: "/devicegroups?filter[type]=banana", status: 400, want: []string{"banana"}},
	{method: "DELETE", path: "/devicegroups/{fixture}", status: 204},
	{method: "DELETE", path: "/devicegroups/{dut}", status: 204},
	{method: "GET", path: "/devicegroups?filter[product.id]={product}&filter[type]=production_devicegroup", status: 200, want: []string{"{other}"}, not: []string{`"id":"{group}"`}},
	{method: "GET", path: "/devicegroups/{group}", body: "null", status: 200, want: []string{`"name":"dev"`, `"validate_tls":false`}},
	{method: "PATCH", path: "/devicegroups/{group}", body: `{"data":{"type":"development_devicegroup","id":"{group}","attributes":{"validate_tls":true}}}`, status: 200, want: []string{`"validate_tls":true`, `"name":"dev"`}},
	{method: "PATCH", path: "/devicegroups/{group}", body: `{"data":{"attributes":{}}}`, status: 200, want: []string{`"validate_tls":true`}},
	{method: "PATCH", path: "/devicegroups/{group}", body: `{"data":{"attributes":{"validate_tls":"yes"}}}`, status: 400, want: []string{"validate_tls must be true or false"}},
	{method: "PATCH", path: "/devicegroups/" + anID, body: `{"data":{"attributes":{"validate_tls":true}}}`, status: 404},

	{method: "POST", path: "/deployments", status: 201, save: "deployment",
		body: `{"data":{"type":"deployment","attributes":{"agent_code":"server.log(1);","device_code":"// none",` +
			`"description":"first","origin":"desk","flagged":true,"tags":["a","b"]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`,
		want: []string{
			`"sha":"`, `"flagged":true`, `"tags":["a","b"]`, `"origin":"desk"`,
			`"devicegroup":{"type":"development_devicegroup","id":"{group}"}`, `"flagger":{`,
		}, not: []string{`agent_code`}},
	{method: "POST", path: "/deployments", status: 400,
		body: `{"data":{"type":"deployment","attributes":{"agent_code":"local x = ;",` +
			`"device_code":"\nlocal = 1;"},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`,
		want: []string{
			`"code":"CX005"`, `"title":"Compilation Error"`, `"row":1,"column":`, `"file":"agent_code"`,
			`"row":2,"column":`, `"file":"device_code"`, `"type":"error"`, "expression expected",
		}},
	{method: "POST", path: "/deployments", status: 404, want: []string{"no such device group"},
		body: `{"data":{"type":"deployment","attributes":{"agent_code":"","device_code":""},` +
			`"relationships":{"devicegroup":{"type":"devicegroup","id":"x"}}}}`},
	{method: "GET", path: "/deployments/{deployment}", body: "null", status: 200, want: []string{`"agent_code":"server.log(1);"`, `"device_code":"// none"`}},
	{method: "GET", path: "/deployments?filter[devicegroup.id]={group}", status: 200, want: []string{`"id":"{deployment}"`}, not: []string{"agent_code"}},
	{method: "GET", path: "/devicegroups/{group}", status: 200, want: []string{`"current_deployment":{"type":"deployment","id":"{deployment}"}`, `"min_supported_deployment":{`}},

	{method: "GET", path: "/deployments?filter[flagged]=true&filter[tags]=a,b", status: 200, want: []string{`"id":"{deployment}"`}},
	{method: "GET", path: "/deployments?filter[flagged]=false", status: 200, want: []string{`"data":[]`}},
	{method: "GET", path: "/deployments?filter[flagged]=maybe", status: 400},
	{method: "GET", path: "/deployments?filter[tags]=a,c", status: 200, want: []string{`"data":[]`}},
	{method: "PATCH", path: "/deployments/{deployment}", body: `{"data":{"type":"deployment","id":"{deployment}","attributes":{"description":"the first","tags":["b",7]}}}`, status: 200, want: []string{`"tags":["b","7"]`, `"flagged":true`, "the first"}},
	{method: "PATCH", path: "/deployments/{deployment}", body: `{"data":{"attributes":{"tags":["no spaces"]}}}`, status: 400},
	{method: "PATCH", path: "/deployments/{deployment}", body: `{"data":{"attributes":{"device_code":""}}}`, status: 400},
	{method: "DELETE", path: "/deployments/{deployment}", status: 409, want: []string{`"title":"Resource Flagged"`, "You cannot delete flagged deployments; set the flagged attribute to false and try again."}},
	{method: "PUT", path: "/devicegroups/{group}/relationships/min_supported_deployment", body: `{"data":{"type":"deployment","id":"{deployment}"}}`, status: 204},
	{method: "PUT", path: "/devicegroups/{group}/relationships/min_supported_deployment", body: `{"data":{"type":"deployment","id":"` + anID + `"}}`, status: 404},
	{method: "PUT", path: "/devicegroups/{group}/relationships/min_supported_deployment", body: `null`, status: 400},
	{method: "POST", path: "/webhooks", status: 201, save: "hook", want: []string{`"secret":"`, `"event":"blessing"`},
		body: `{"data":{"type":"webhook","attributes":{"content_type":"application/json","url":"http://hooks.test/x",` +
			`"event":"blessing"},` + ofGroup + `}}}`},
	{method: "POST", path: "/webhooks", status: 400, want: []string{`"title":"Invalid URL"`, `"detail":"The provided URL is invalid."`},
		body: `{"data":{"type":"webhook","attributes":{"content_type":"application/json","url":"invalidurl",` +
			`"event":"blessing"},` + ofGroup + `}}}`},
	{method: "POST", path: "/webhooks", status: 400,
		body: `{"data":{"type":"webhook","attributes":{"content_type":"application/json","url":"http://hooks.test/x",` +
			`"event":"rain"},` + ofGroup + `}}}`},
	{method: "GET", path: "/webhooks?filter[devicegroup.id]={group}", status: 200, want: []string{"{hook}"}, not: []string{"secret"}},
	{method: "GET", path: "/webhooks/{hook}", status: 200, want: []string{`"devicegroup":{"type":"development_devicegroup","id":"{group}"}`}, not: []string{"secret"}},
	{method: "PATCH", path: "/webhooks/{hook}", body: `{"data":{"type":"webhook","id":"{hook}","attributes":{"url":"https://hooks.test/y"}}}`, status: 200, want: []string{"https://hooks.test/y"}},
	{method: "PATCH", path: "/webhooks/{hook}", body: `{"data":{"attributes":{"event":"blinkup"}}}`, status: 400},
	{method: "GET", path: "/webhooks/{hook}/deliveries", status: 200, want: []string{`"data":[]`}},
	{method: "DELETE", path: "/webhooks/{hook}", body: "null", status: 204},
	{method: "DELETE", path: "/webhooks/{hook}", status: 404},

	{method: "GET", path: "/libraries", body: "null", status: 200, want: []string{`"data":[]`}},
	{method: "POST", path: "/deployments", status: 400, want: []string{`"code":"CX005"`, "there is no library Lamp.lib.nut:1.0.0 here; add it with: tandem library add Lamp.lib.nut:1.0.0 FILE", `"row":1,"column":1`, `"file":"agent_code"`},
		body: `{"data":{"type":"deployment","attributes":{"agent_code":"#require \"Lamp.lib.nut:1.0.0\"\nlamp();",` +
			`"device_code":""},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`},
	{method: "POST", path: "/libraries", body: `{"data":{"type":"library","attributes":{"name":"Lamp.lib.nut","version":"1.0.0","code":"function lamp() {\n\tthrow 1;\n}"}}}`, status: 201,
		want: []string{
			`"type":"library"`, `"id":"Lamp.lib.nut"`,
			`"versions":[{"type":"library_version","id":"Lamp.lib.nut:1.0.0"}]`,
		}},
	{method: "POST", path: "/libraries", body: `{"data":{"type":"library","attributes":{"name":"Lamp.lib.nut","version":"1.0.0","code":"function lamp() {\n\tthrow 1;\n}"}}}`, status: 201},
	{method: "POST", path: "/libraries", body: `{"data":{"type":"library","attributes":{"name":"Lamp.lib.nut","version":"1.0.0","code":"function lamp() {}"}}}`, status: 409, want: []string{"Lamp.lib.nut:1.0.0", "new version"}},
	{method: "POST", path: "/libraries", body: `{"data":{"type":"library","attributes":{"name":"Lamp.lib.nut","version":"1.1.0","code":"#require \"Bulb.lib.nut:1\"\nfunction lamp() {}"}}}`, status: 201},
	{method: "POST", path: "/libraries", body: `{"data":{"type":"library","attributes":{"name":"Bulb.lib.nut","version":"1","code":"local ="}}}`, status: 400, want: []string{"Bulb.lib.nut:1:"}},
	{method: "POST", path: "/libraries", body: `{"data":{"type":"library","attributes":{"name":"Bulb.lib.nut","code":"bulb <- 1"}}}`, status: 400, want: []string{"name and version of a library"}},
	{method: "POST", path: "/libraries", body: `null`, status: 400},
	{method: "GET", path: "/libraries", status: 200, want: []string{`"name":"Lamp.lib.nut","supported":true`, `"versions":[{"type":"library_version","id":"Lamp.lib.nut:1.0.0"},{"type":"library_version","id":"Lamp.lib.nut:1.1.0"}]`}, not: []string{"function"}},
	{method: "GET", path: "/libraries?page[number]=9", status: 200, want: []string{`"data":[]`}},
	{method: "POST", path: "/deployments", status: 400, want: []string{"agent code, Lamp.lib.nut, line 1, column 1: there is no library Bulb.lib.nut:1 here", `"file":"Lamp.lib.nut"`},
		body: `{"data":{"type":"deployment","attributes":{"agent_code":"#require \"Lamp.lib.nut:1.1.0\"\nlamp();",` +
			`"device_code":""},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`},
	{method: "POST", path: "/deployments", status: 201, save: "required", want: []string{`"sha":"`},
		body: `{"data":{"type":"deployment","attributes":{"agent_code":"#require \"Lamp.lib.nut:1.0.0\"\nlamp();",` +
			`"device_code":""},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`},
	{method: "GET", path: "/deployments/{required}", status: 200, want: []string{`"agent_code":"#require \"Lamp.lib.nut:1.0.0\"\nlamp();"`}},

	{method: "POST", path: "/devices", body: `{"data":{"type":"device","attributes":{"name":"desk"}}}`, status: 201, save: "device",
		want: []string{`"key":"`, `"agent_id":null`, `"device_online":false`}, not: []string{`"devicegroup":`, `"product":`}},
	{method: "POST", path: "/devices", body: `{"data":{"type":"device","relationships":{"devicegroup":{"type":"devicegroup","id":"x"}}}}`, status: 404},
	{method: "GET", path: "/devices/{device}", body: "null", status: 200, want: []string{`"name":"desk"`}, not: []string{`"key"`}},
	{method: "GET", path: "/devices/{DEVICE}", status: 200, want: []string{`"name":"desk"`}},
	{method: "PATCH", path: "/devices/{device}", body: `{"data":{"attributes":{"name":"my desk"}}}`, status: 200, want: []string{`"name":"my desk"`}},
	{method: "PATCH", path: "/devices/{device}", body: `{"data":{"attributes":{}}}`, status: 200, want: []string{`"name":"my desk"`}},
	{method: "PATCH", path: "/devices/{device}", body: `{"data":{"attributes":{"name":null}}}`, status: 200, want: []string{`"name":null`}},
	{method: "PATCH", path: "/devices/{device}", body: `{"data":{"attributes":{"name":7}}}`, status: 400, want: []string{"name must be a string, or null"}},
	{method: "PATCH", path: "/devices/{device}", body: `{"data":{"attributes":{"name":"my desk"}}}`, status: 200},
	{method: "POST", path: "/devices/{device}/conditional_restart", body: "null", status: 400, want: []string{"no device group"}},
	{method: "PATCH", path: "/devices/" + noDevice, body: `{"data":{"attributes":{"name":"x"}}}`, status: 404},
	{method: "GET", path: "/devices?filter[devicegroup.owner.id]=null", status: 200, want: []string{"{device}"}},
	{method: "POST", path: "/devices/{device}/restart", body: "null", status: 400, want: []string{"no device group"}},

	{method: "POST", path: "/devicegroups/{group}/relationships/devices", body: `{"data":[{"type":"device","id":"{device}"}]}`, status: 204},
	{method: "GET", path: "/devices/{device}", status: 200,
		want: []string{
			`"agent_url":"http`, `"devicegroup":{"type":"development_devicegroup","id":"{group}"}`,
			`"product":{"type":"product","id":"{product}"}`,
		}},
	{method: "GET", path: "/devices?filter[devicegroup.id]={group}&filter[product.id]={product}", status: 200, want: []string{"{device}"}},
	{method: "GET", path: "/devices?filter[devicegroup.owner.id]=null", status: 200, want: []string{`"data":[]`}},
	{method: "POST", path: "/devicegroups/{group}/relationships/devices", body: `{"data":[{"type":"device","id":"` + noDevice + `"},{"type":"device","id":"{device}"},{"type":"device","id":"x y"}]}`, status: 400,
		want: []string{`"status":"404"`, noDevice, "x y"}},
	{method: "POST", path: "/devicegroups/{group}/relationships/devices", body: "null", status: 400, want: []string{"list the devices"}},
	{method: "POST", path: "/devicegroups/" + anID + "/relationships/devices", body: `{"data":[{"type":"device","id":"{device}"}]}`, status: 404},
	{method: "POST", path: "/devicegroups/{group}/restart", body: "null", status: 204},
	{method: "POST", path: "/devicegroups/" + anID + "/restart", body: "null", status: 404},
	{method: "POST", path: "/devices/{device}/restart", body: "null", status: 204},
	{method: "POST", path: "/devices/{device}/conditional_restart", body: "null", status: 204},
	{method: "POST", path: "/devicegroups/{group}/conditional_restart", body: "null", status: 204},
	{method: "GET", path: "/devices/{device}/history", status: 200, want: []string{`"event":"enrolled"`, `"event":"assigned"`, `"actor_id":"{me}"`}},
	{method: "GET", path: "/devices?filter[devicegroup.type]=development_devicegroup", status: 200, want: []string{`"id":"{device}"`}},
	{method: "GET", path: "/devices?filter[account.id]={me}", status: 200, want: []string{`"id":"{device}"`}},
	{method: "POST", path: "/devices/{device}/restart?side=agent", status: 204},
	{method: "POST", path: "/devices/{device}/restart?side=device", status: 503, want: []string{"offline"}},
	{method: "POST", path: "/devices/{device}/restart?side=both", status: 400, want: []string{"agent or device"}},
	{method: "GET", path: "/devices/{device}/logs", body: "null", status: 200, want: []string{`"data":[`, `"links":{`}},
	{method: "GET", path: "/devices/{device}/logs?page[number]=99999999999999&page[size]=100", status: 200, want: []string{`"data":[]`}},

	{method: "POST", path: "/logstream?format=xml", body: "null", status: 400, want: []string{"text or json"}},
	{method: "POST", path: "/logstream", body: "null", status: 201, want: []string{`/v5/logstream/`}, save: "stream"},
	{method: "PUT", path: "/logstream/{stream}/{device}", body: "null", status: 204},
	{method: "PUT", path: "/logstream/{stream}/" + noDevice, body: "null", status: 404},
	{method: "PUT", path: "/logstream/x/{device}", body: "null", status: 404},
	{method: "DELETE", path: "/logstream/{stream}/{device}", status: 204},
	{method: "GET", path: "/logstream/x", token: none, status: 404, want: []string{"no log stream"}},
	{method: "POST", path: "/logstream", body: `{"data":{"attributes":{"lines":-1}}}`, status: 400},
	{method: "POST", path: "/logstream", body: `{"data":{"attributes":{"devices":["x"]}}}`, status: 404},

	{method: "GET", path: "/claims", status: 200, want: []string{`"data":[]`}},
	{method: "POST", path: "/claims", body: `{"data":{"type":"claim","attributes":{"count":2},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`, status: 201,
		want: []string{`"type":"claim"`, `"code":"`, `"ticket":"tandem:`, `"expires_at":"`, `"used_at":null`}},
	{method: "GET", path: "/claims?page[size]=1", status: 200, want: []string{`"next":"`}, not: []string{`"code"`, `"ticket"`}},
	{method: "POST", path: "/claims", body: `{"data":{"attributes":{}}}`, status: 400, want: []string{"for a device group or for a device"}},
	{method: "POST", path: "/claims", body: `{"data":{"attributes":{"count":1001},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`, status: 400, want: []string{"1000"}},
	{method: "POST", path: "/claims", body: `{"data":{"attributes":{"expires_in":-1},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`, status: 400, want: []string{"8784h"}},
	{method: "POST", path: "/claims", body: `{"data":{"relationships":{"devicegroup":{"type":"devicegroup","id":"x"}}}}`, status: 404, want: []string{"no such device group"}},
	{method: "POST", path: "/claims", body: `{"data":{"relationships":{"device":{"type":"device","id":"` + noDevice + `"}}}}`, status: 404},
	{method: "DELETE", path: "/claims/x", status: 404, want: []string{"no such claim code"}},
	{method: "POST", path: "/enrol", token: none, body: `{"code":"7K3M-Q0D4"}`, status: 400, want: []string{"12 letters and digits"}},
	{method: "POST", path: "/enrol", token: none, body: `{"code":"0000-0000-0000","key_hash":"xx"}`, status: 400, want: []string{"SHA-256"}},
	{method: "POST", path: "/enrol", token: none, status: 404, want: []string{"no such claim code"},
		body: `{"code":"0000-0000-0000","key_hash":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`},
	{method: "GET", path: "/authority", status: 200, want: []string{"BEGIN CERTIFICATE"}, not: []string{"PRIVATE"}},
	{method: "GET", path: "/devices/{device}/credentials", status: 200, want: []string{`"rotation":""`, `"revoked":false`, `"certificates":[]`}},
	{method: "POST", path: "/devices/{device}/key", body: "null", status: 200, want: []string{`"rotation":"link"`, `"handed_at":null`}, not: []string{`"key":`}},
	{method: "POST", path: "/devices/{device}/key", body: `{"data":{"attributes":{"print":true}}}`, status: 400, want: []string{"within"}},
	{method: "POST", path: "/devices/{device}/key", body: `{"data":{"attributes":{"within":1e300}}}`, status: 400, want: []string{"8784h"}},
	{method: "POST", path: "/devices/{device}/key", body: `{"data":{"attributes":{"print":true,"within":60}}}`, status: 200, want: []string{`"rotation":"printed"`, `"key":"`}},
	{method: "POST", path: "/devices/" + noDevice + "/key", body: "null", status: 404},
	{method: "POST", path: "/devices/{device}/certificates", body: `{"data":{"attributes":{"csr":"AAAA"}}}`, status: 400, want: []string{"PKCS #10"}},
	{method: "DELETE", path: "/devices/{device}/certificates/x", status: 400, want: []string{"fingerprint"}},
	{method: "DELETE", path: "/devices/{device}/certificates/" + strings.Repeat("AB", 32), status: 404, want: []string{"no such certificate"}},
	{method: "POST", path: "/devices/{device}/revoke", body: "null", status: 204},
	{method: "GET", path: "/devices/{device}/credentials", status: 200, want: []string{`"revoked":true`}},
	{method: "POST", path: "/devices/{device}/key", body: "null", status: 409, want: []string{"is revoked"}},
	{method: "POST", path: "/devices/{device}/certificates", body: `{"data":{"attributes":{"csr":"AAAA"}}}`, status: 409},
	{method: "POST", path: "/provision", body: `{"data":{"attributes":{"devices":[{"id":"00000000000000a1","certificate":"` + strings.Repeat("ab", 32) + `"}]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{other}"}}}}`,
		status: 201, want: []string{`"made":1`, `"known":0`}},
	{method: "POST", path: "/provision", body: `{"data":{"attributes":{"devices":[{"id":"00000000000000A1","certificate":"` + strings.Repeat("ab", 32) + `"}]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{other}"}}}}`,
		status: 201, want: []string{`"made":0`, `"known":1`}},
	{method: "POST", path: "/provision", body: `{"data":{"attributes":{"devices":[{"id":"00000000000000a2","key_hash":"00"}]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{other}"}}}}`, status: 400, want: []string{"device 1 of the list"}},
	{method: "POST", path: "/provision", body: `{"data":{"attributes":{"devices":[{"id":"x"}]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{other}"}}}}`, status: 400, want: []string{"not a device id"}},
	{method: "POST", path: "/provision", body: `{"data":{"attributes":{"devices":[{"id":"00000000000000a2"}]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{other}"}}}}`, status: 400, want: []string{"neither a key nor"}},
	{method: "POST", path: "/provision", body: `{"data":{"attributes":{"devices":[]},"relationships":{"devicegroup":{"type":"devicegroup","id":"{other}"}}}}`, status: 400, want: []string{"1 to 1000"}},
	{method: "POST", path: "/provision", body: `{"data":{"relationships":{"devicegroup":{"type":"devicegroup","id":"x"}}}}`, status: 404},
	{method: "DELETE", path: "/devicegroups/{other}/relationships/devices", body: `{"data":[{"type":"device","id":"00000000000000a1"}]}`, status: 204},
	{method: "DELETE", path: "/devices/00000000000000a1", status: 204},

	{method: "DELETE", path: "/devices/{device}", body: "null", status: 409, want: []string{`"title":"Device Assigned"`}},
	{method: "DELETE", path: "/devicegroups/{group}", status: 409},
	{method: "DELETE", path: "/products/{product}", status: 409, want: []string{`"title":"Dependent Devicegroups Exist"`}},
	{method: "DELETE", path: "/devicegroups/{group}/relationships/devices", body: `{"data":[{"type":"device","id":"{device}"}]}`, status: 204},
	{method: "DELETE", path: "/devicegroups/{group}/relationships/devices", body: `{"data":[{"type":"device","id":"{device}"}]}`, status: 400, want: []string{`"status":"404"`}},
	{method: "DELETE", path: "/devices/{device}", body: "null", status: 204},
	{method: "DELETE", path: "/devices/{device}", status: 404},
	{method: "DELETE", path: "/devicegroups/{group}", status: 409, want: []string{`"title":"Flagged Deployments Exist"`, "Cannot delete a devicegroup with flagged deployments; delete those first."}},
	{method: "PUT", path: "/devicegroups/{group}/relationships/min_supported_deployment", body: `{"data":{"type":"deployment","id":"{required}"}}`, status: 204},
	{method: "PUT", path: "/devicegroups/{group}/relationships/min_supported_deployment", body: `{"data":{"type":"deployment","id":"{deployment}"}}`, status: 409},
	{method: "DELETE", path: "/deployments/{required}", status: 409, want: []string{"Deployment In Use"}},
	{method: "PATCH", path: "/deployments/{deployment}", body: `{"data":{"attributes":{"flagged":false}}}`, status: 200, want: []string{`"flagged":false`}, not: []string{"flagger"}},
	{method: "DELETE", path: "/deployments/{deployment}", status: 204},
	{method: "DELETE", path: "/devicegroups/{other}", body: "null", status: 204},
	{method: "DELETE", path: "/devicegroups/{other}", status: 404},
	{method: "POST", path: "/products", body: `{"data":{"type":"product","attributes":{"name":"empty"}}}`, status: 201, save: "empty"},
	{method: "DELETE", path: "/products/{empty}", body: "null", status: 204},
	{method: "DELETE", path: "/products/{empty}", status: 404},

	{method: "GET", path: "/cluster", status: 404, want: []string{"this node is alone"}},
	{method: "POST", path: "/cluster/nodes/n1/drain", status: 404, want: []string{"this node is alone"}},
	{method: "POST", path: "/cluster/nodes/n1/undrain", status: 404, want: []string{"this node is alone"}},
	{method: "PUT", path: "/products", status: 404, want: []string{"There is no PUT of /v5/products; there is GET, POST."}},
	{method: "GET", path: "/nothing", status: 404},
	{method: "GET", path: "/", status: 404},
	{method: "GET", path: "//products", status: 200}, // a base URL with a final slash
}

func TestStory(t *testing.T) {
	w := newWorld(t)
	w.setPassword("correct-horse")
	visited := map[string]bool{"GET logstream/:id": true} // TestStream reads one
	var answers strings.Builder
	for i, s := range story {
		path := w.fill(s.path)
		token := map[string]string{"": w.token, none: ""}[s.token]
		if s.token == "wrong" {
			token = "wrong"
		}
		status, body := w.do(s.method, path, token, w.fill(s.body))
		name := fmt.Sprintf("step %d, %s %s", i, s.method, s.path)
		if status != s.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, s.status)
		}
		for _, fragment := range s.want {
			if !strings.Contains(body, w.fill(fragment)) {
				t.Errorf("%s: no %q in %s", name, w.fill(fragment), body)
			}
		}
		for _, fragment := range s.not {
			if strings.Contains(body, w.fill(fragment)) {
				t.Errorf("%s: %q in %s", name, w.fill(fragment), body)
			}
		}
		if status == 204 && body != "" {
			t.Errorf("%s: 204 with %q", name, body)
		}
		if status >= 400 && !strings.HasPrefix(body, `{"errors":[{"status":"`) {
			t.Errorf("%s: an error without its JSON: %q", name, body)
		}
		if s.save != "" {
			var out struct{ Data struct{ ID string } }
			if err := json.Unmarshal([]byte(body), &out); err != nil || out.Data.ID == "" {
				t.Fatalf("%s: no id in %s", name, body)
			}
			w.names[s.save] = out.Data.ID
			w.names[strings.ToUpper(s.save)] = strings.ToUpper(out.Data.ID)
		}
		if !strings.HasSuffix(s.path, "/logs") && s.path != "/openapi.json" { // what agents say comes in their own time
			fmt.Fprintf(&answers, "%s %s: %d\n%s\n", s.method, s.path, status, w.legible(body))
		}
		for _, r := range routes {
			c := &call{path: strings.Split(strings.Trim(strings.Split(path, "?")[0], "/"), "/")}
			if r.method == s.method && r.matches(c) {
				visited[r.method+" "+r.path] = true
			}
		}
	}
	for _, r := range routes {
		if !visited[r.method+" "+r.path] {
			t.Errorf("no step of the story goes to %s %s", r.method, r.path)
		}
	}
	// The flag -rewrite writes the answers.
	datadriven.RunTest(t, "testdata/answers.txt",
		func(*testing.T, *datadriven.TestData) string { return answers.String() })
}

// Every route but the open ones asks who it is first, whatever the path holds.
func TestUnauthorized(t *testing.T) {
	w := newWorld(t)
	expired := "expired"
	if _, err := w.Store.AddToken(t.Context(), store.Token{
		Account: w.operatorID(), Expires: time.Now().Add(-time.Second),
	}, expired); err != nil {
		t.Fatal(err)
	}
	refresh := "refresh"
	if _, err := w.Store.AddToken(t.Context(), store.Token{Account: w.operatorID(), Refresh: true}, refresh); err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		path := "/" + strings.NewReplacer(":id", anID, ":device", noDevice).Replace(r.path)
		if r.path == "auth" || r.path == "invitations/accept" { // which say 401 to other secrets, and to a bad token
			continue
		}
		w.Logins = new(admit.Logins) // so that this address does not have to wait
		for _, token := range []string{"", "wrong", expired, refresh} {
			status, body := w.do(r.method, path, token, "null")
			if !r.open && (status != 401 || !strings.Contains(body, `"title":"Unauthorized"`)) || r.open && status == 401 {
				t.Errorf("%s %s with token %q: %d %s", r.method, path, token, status, body)
			}
		}
	}
}

// setPassword gives the operator a password.
func (w *world) setPassword(password string) {
	w.t.Helper()
	hash, err := w.hashPassword(w.t.Context(), password)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Store.SetPassword(w.t.Context(), w.operatorID(), hash); err != nil {
		w.t.Fatal(err)
	}
	w.password, w.names["password"] = password, password
	w.token = w.tokenFor(w.key)
}

func (w *world) operatorID() string {
	w.t.Helper()
	a, err := w.operator(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return a.ID
}

// Clients try a name as an id first, and only go on after a 404.
func TestOddIDs(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	ids := []string{
		"desk", "my%20desk", "a/b", "a/restart", "a/logs", "{device}/logs/x", "..", ".", "../..", "..%2f..", "%2f", "//", "%00", "%25", "'", "%22", ";", "%3f", "%23",
		"0c:2a:69:00:00:00", ":::::", noDevice, "0123456789ABCDEF", "T1oUmIZ3At_N", "null", "me", "%ff", "ü", strings.Repeat("x", 2000), anID, "a/relationships/devices",
	}
	for _, collection := range []string{"products", "devicegroups", "deployments", "devices", "accounts"} {
		for _, id := range ids {
			if collection == "accounts" && id == "me" {
				continue
			}
			status, body := w.do("GET", "/"+collection+"/"+w.fill(id), w.token, "null")
			if status != 404 || !strings.Contains(body, `"status":"404"`) {
				t.Errorf("GET /%s/%.50s: %d %s", collection, id, status, body)
			}
		}
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	owner := w.operatorID()
	const count = 45
	for i := range count {
		if _, err := w.Store.AddProduct(t.Context(), record.Product{
			Owner: owner, Creator: owner, Name: fmt.Sprint("p", i),
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		query string
		items int
		links string // those besides self, first and last
	}{
		{"", 20, "next"},
		{"page[number]=1&page[size]=100", 45, ""},
		{"page%5Bnumber%5D=2", 20, "next prev"},
		{"page[number]=3", 5, "prev"},
		{"page[number]=4", 0, "prev"},
		{"page[size]=45", 45, ""},
		{"page[size]=44", 44, "next"},
		{"page[size]=1000", 45, ""},
		{"page[size]=0&page[number]=0", 20, "next"},
		{"page[size]=x&page[number]=-1", 20, "next"},
		{"page[number]=9223372036854775807&page[size]=100", 0, "prev"},
		{"filter[owner.id]=unknown", 0, ""},
	} {
		var out struct {
			Data  []struct{ ID string }
			Links map[string]string
		}
		status, body := w.do("GET", "/products?"+tc.query, w.token, "null")
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", tc.query, status, body)
		}
		var links []string
		for _, name := range []string{"next", "prev"} {
			if out.Links[name] != "" {
				links = append(links, name)
			}
		}
		if len(out.Data) != tc.items || strings.Join(links, " ") != tc.links {
			t.Errorf("%s: %d items, links %q; want %d, %q", tc.query, len(out.Data), links, tc.items, tc.links)
		}
	}
	w.walkPages(owner, count)
}

// walkPages follows links.next, which leads through all products once, with the
// filter.
func (w *world) walkPages(owner string, count int) {
	t := w.t
	t.Helper()
	seen := map[string]bool{}
	path := "/products?page[size]=10&filter[owner.id]=" + owner
	for path != "" {
		var out struct {
			Data  []struct{ ID string }
			Links struct{ Next string }
		}
		_, body := w.do("GET", path, w.token, "")
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Data {
			if seen[p.ID] {
				t.Errorf("%s is on two pages", p.ID)
			}
			seen[p.ID] = true
		}
		if path = strings.TrimPrefix(out.Links.Next, w.url+"/v5"); path != "" && !strings.Contains(path, owner) {
			t.Errorf("links.next lost the filter: %s", path)
		}
	}
	if len(seen) != count {
		t.Errorf("saw %d of %d", len(seen), count)
	}
}

func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	status, body := w.do("POST", "/products", w.token, `{"data":"`+strings.Repeat("x", maxBody)+`"}`)
	if status != 413 || !strings.Contains(body, "larger than 8388608 bytes") {
		t.Errorf("%d %.200s", status, body)
	}
}

func TestTitles(t *testing.T) {
	for s, want := range map[string]bool{
		"Duplicate Resource": true, "Account Limit Reached": true, "A Zone": true, "[": false, "@ At": false, "": false, "there is": false, "Not that": false, "“Quoted”": false,
	} {
		if got := isTitle(s); got != want {
			t.Errorf("isTitle(%q) = %v", s, got)
		}
	}
}

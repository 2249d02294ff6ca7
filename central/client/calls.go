package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"time"

	"github.com/tandem-iot/tandem"
)

// Accounts returns the accounts that the caller can see.
func (c *Client) Accounts(ctx context.Context) iter.Seq2[Account, error] {
	return objects[Account](ctx, c, "/accounts", nil)
}

// Account returns an account by its id; me is the caller's.
func (c *Client) Account(ctx context.Context, id string) (Account, error) {
	return object[Account](ctx, c, call{method: "GET", path: at("accounts", id)})
}

// AddAccount makes an account.
func (c *Client) AddAccount(ctx context.Context, name, email, password string) (Account, error) {
	in := sent{Type: "account", Attributes: map[string]string{"username": name, "email": email, "password": password}}
	return object[Account](ctx, c, call{method: "POST", path: "/accounts", in: in})
}

// SetPassword sets the password of an account. old may be empty if the caller is the operator.
func (c *Client) SetPassword(ctx context.Context, id, old, password string) (Account, error) {
	in := sent{Type: "account", ID: id, Attributes: map[string]string{"password": password}}
	return object[Account](ctx, c, call{method: "PATCH", path: at("accounts", id), in: in, headers: withPassword(old)})
}

// withPassword is the header that confirms a call.
func withPassword(password string) header {
	if password == "" {
		return nil
	}
	return header{passwordHeader, password}
}

// Capabilities returns what an account may do.
func (c *Client) Capabilities(ctx context.Context, id string) (Capabilities, error) {
	return object[Capabilities](ctx, c, call{method: "GET", path: at("accounts", id, "capabilities")})
}

// OneTime returns whether the caller has one-time passwords.
func (c *Client) OneTime(ctx context.Context) (OneTime, error) {
	return object[OneTime](ctx, c, call{method: "GET", path: "/accounts/me/otp"})
}

// AddOneTime makes a secret for one-time passwords, which ConfirmOneTime enables.
func (c *Client) AddOneTime(ctx context.Context, password string) (OneTime, error) {
	return object[OneTime](ctx, c, call{
		method: "POST", path: "/accounts/me/otp", in: sent{Type: "otp"}, headers: withPassword(password),
	})
}

// ConfirmOneTime enables one-time passwords by the first one.
func (c *Client) ConfirmOneTime(ctx context.Context, code string) (OneTime, error) {
	return object[OneTime](ctx, c, call{
		method: "POST", path: "/accounts/me/otp/confirm", in: sent{Type: "otp"},
		headers: header{otpHeader, code},
	})
}

// RemoveOneTime ends the one-time passwords of an account. The operator needs neither password nor
// code for another one, whose owner has lost them.
func (c *Client) RemoveOneTime(ctx context.Context, account, password, code string) error {
	confirm := withPassword(password)
	if code != "" {
		confirm = append(confirm, otpHeader, code)
	}
	return c.do(ctx, call{method: "DELETE", path: at("accounts", account, "otp"), headers: confirm}, nil)
}

// RefreshTokens returns the logins with the caller's password.
func (c *Client) RefreshTokens(ctx context.Context) iter.Seq2[RefreshToken, error] {
	return objects[RefreshToken](ctx, c, "/accounts/me/refresh_tokens", nil)
}

// RemoveRefreshToken ends a login.
func (c *Client) RemoveRefreshToken(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("accounts", "me", "refresh_tokens", id)}, nil)
}

// LoginKeys returns the caller's login keys.
func (c *Client) LoginKeys(ctx context.Context) iter.Seq2[LoginKey, error] {
	return objects[LoginKey](ctx, c, "/accounts/me/login_keys", nil)
}

// LoginKey returns a login key of the caller.
func (c *Client) LoginKey(ctx context.Context, id string) (LoginKey, error) {
	return object[LoginKey](ctx, c, call{method: "GET", path: at("accounts", "me", "login_keys", id)})
}

// AddLoginKey makes a login key; the caller's password confirms it.
func (c *Client) AddLoginKey(ctx context.Context, description, password string) (LoginKey, error) {
	return c.putLoginKey(ctx, "POST", "/accounts/me/login_keys", description, password)
}

// ChangeLoginKey changes the description of a login key.
func (c *Client) ChangeLoginKey(ctx context.Context, id, description, password string) (LoginKey, error) {
	return c.putLoginKey(ctx, "PATCH", at("accounts", "me", "login_keys", id), description, password)
}

func (c *Client) putLoginKey(ctx context.Context, method, path, description, password string) (LoginKey, error) {
	in := sent{Type: "login_key", Attributes: map[string]string{"description": description}}
	return object[LoginKey](ctx, c, call{method: method, path: path, in: in, headers: withPassword(password)})
}

// RemoveLoginKey deletes a login key.
func (c *Client) RemoveLoginKey(ctx context.Context, id, password string) error {
	path := at("accounts", "me", "login_keys", id)
	return c.do(ctx, call{method: "DELETE", path: path, headers: withPassword(password)}, nil)
}

// ProductChange has what is to be set of a product; nil leaves it as it is.
type ProductChange struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}

// Products returns the products.
func (c *Client) Products(ctx context.Context) iter.Seq2[Product, error] {
	return objects[Product](ctx, c, "/products", nil)
}

// Product returns a product.
func (c *Client) Product(ctx context.Context, id string) (Product, error) {
	return object[Product](ctx, c, call{method: "GET", path: at("products", id)})
}

// AddProduct makes a product.
func (c *Client) AddProduct(ctx context.Context, p ProductChange) (Product, error) {
	return object[Product](ctx, c, call{method: "POST", path: "/products", in: sent{Type: "product", Attributes: p}})
}

// ChangeProduct changes a product.
func (c *Client) ChangeProduct(ctx context.Context, id string, p ProductChange) (Product, error) {
	in := sent{Type: "product", ID: id, Attributes: p}
	return object[Product](ctx, c, call{method: "PATCH", path: at("products", id), in: in})
}

// RemoveProduct deletes a product without device groups.
func (c *Client) RemoveProduct(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("products", id)}, nil)
}

// GroupFilter selects device groups; what is empty selects all.
type GroupFilter struct{ Product, Type string }

// GroupChange has what is to be set of a device group; nil and "" leave it as it is.
type GroupChange struct {
	Name              *string         `json:"name,omitempty"`
	Description       *string         `json:"description,omitempty"`
	Region            *string         `json:"region,omitempty"`
	Env               json.RawMessage `json:"env_vars,omitempty"` // an object
	LoadAfterBlessing *bool           `json:"load_code_after_blessing,omitempty"`
	ValidateTLS       *bool           `json:"validate_tls,omitempty"`

	ProductionTarget string `json:"-"` // id of a group
	DUTTarget        string `json:"-"` // id of a group
}

func (g GroupChange) targets() map[string]Ref {
	return map[string]Ref{
		"production_target": {Type: "devicegroup", ID: g.ProductionTarget},
		"dut_target":        {Type: "devicegroup", ID: g.DUTTarget},
	}
}

// Groups returns device groups.
func (c *Client) Groups(ctx context.Context, f GroupFilter) iter.Seq2[Group, error] {
	return objects[Group](ctx, c, "/devicegroups", map[string]string{"product.id": f.Product, "type": f.Type})
}

// Group returns a device group.
func (c *Client) Group(ctx context.Context, id string) (Group, error) {
	return object[Group](ctx, c, call{method: "GET", path: at("devicegroups", id)})
}

// AddGroup makes a device group of a type, with the suffix _devicegroup, in a product.
func (c *Client) AddGroup(ctx context.Context, product, typ string, g GroupChange) (Group, error) {
	to := g.targets()
	to["product"] = Ref{Type: "product", ID: product}
	in := sent{Type: typ, Attributes: g, Relationships: related(to)}
	return object[Group](ctx, c, call{method: "POST", path: "/devicegroups", in: in})
}

// ChangeGroup changes a device group.
func (c *Client) ChangeGroup(ctx context.Context, id string, g GroupChange) (Group, error) {
	in := sent{Type: "devicegroup", ID: id, Attributes: g, Relationships: related(g.targets())}
	return object[Group](ctx, c, call{method: "PATCH", path: at("devicegroups", id), in: in})
}

// RemoveGroup deletes a device group without devices, and its deployments.
func (c *Client) RemoveGroup(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("devicegroups", id)}, nil)
}

// RestartGroup restarts all pairs of a device group with its current deployment.
func (c *Client) RestartGroup(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "POST", path: at("devicegroups", id, "restart")}, nil)
}

// RestartGroupConditionally does the same, and what runs can choose the time.
func (c *Client) RestartGroupConditionally(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "POST", path: at("devicegroups", id, "conditional_restart")}, nil)
}

// SetMinSupported sets the oldest deployment that devices of a group may run.
func (c *Client) SetMinSupported(ctx context.Context, group, deployment string) error {
	path := at("devicegroups", group, "relationships", "min_supported_deployment")
	in := document[Ref]{Ref{Type: "deployment", ID: deployment}}
	return c.do(ctx, call{method: "PUT", path: path, in: in}, nil)
}

// Assign assigns devices to a group. It goes through all of them, whichever fail.
func (c *Client) Assign(ctx context.Context, group string, devices ...string) error {
	return c.eachDevice(ctx, "POST", group, devices)
}

// Unassign takes devices out of a group.
func (c *Client) Unassign(ctx context.Context, group string, devices ...string) error {
	return c.eachDevice(ctx, "DELETE", group, devices)
}

func (c *Client) eachDevice(ctx context.Context, method, group string, devices []string) error {
	list := make([]Ref, len(devices))
	for i, id := range devices {
		list[i] = Ref{Type: "device", ID: id}
	}
	path := at("devicegroups", group, "relationships", "devices")
	return c.do(ctx, call{method: method, path: path, in: document[[]Ref]{list}}, nil)
}

// DeploymentFilter selects deployments; what is empty selects all.
type DeploymentFilter struct {
	Product, Group, SHA string
	Flagged             string // true or false
	Tags                string // all of them, separated by commas
}

// NewDeployment is code for a group.
type NewDeployment struct {
	AgentCode   string   `json:"agent_code"`
	DeviceCode  string   `json:"device_code"`
	Description string   `json:"description,omitempty"`
	Origin      string   `json:"origin,omitempty"`
	Flagged     bool     `json:"flagged,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// DeploymentChange has what is to be set of a deployment; nil leaves it as it is.
type DeploymentChange struct {
	Description *string   `json:"description,omitempty"`
	Flagged     *bool     `json:"flagged,omitempty"`
	Tags        *[]string `json:"tags,omitempty"`
}

// Deployments returns deployments without their code, the newest first.
func (c *Client) Deployments(ctx context.Context, f DeploymentFilter) iter.Seq2[Deployment, error] {
	return objects[Deployment](ctx, c, "/deployments", map[string]string{
		"product.id": f.Product, "devicegroup.id": f.Group, "sha": f.SHA, "flagged": f.Flagged, "tags": f.Tags,
	})
}

// Deployment returns a deployment with its code.
func (c *Client) Deployment(ctx context.Context, id string) (Deployment, error) {
	return object[Deployment](ctx, c, call{method: "GET", path: at("deployments", id)})
}

// AddDeployment makes a group's current deployment.
func (c *Client) AddDeployment(ctx context.Context, group string, d NewDeployment) (Deployment, error) {
	in := sent{Type: "deployment", Attributes: d, Relationships: map[string]Ref{
		"devicegroup": {Type: "devicegroup", ID: group},
	}}
	return object[Deployment](ctx, c, call{method: "POST", path: "/deployments", in: in})
}

// ChangeDeployment changes what is said of a deployment.
func (c *Client) ChangeDeployment(ctx context.Context, id string, d DeploymentChange) (Deployment, error) {
	in := sent{Type: "deployment", ID: id, Attributes: d}
	return object[Deployment](ctx, c, call{method: "PATCH", path: at("deployments", id), in: in})
}

// RemoveDeployment deletes a deployment.
func (c *Client) RemoveDeployment(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("deployments", id)}, nil)
}

// Libraries returns the libraries that code can require.
func (c *Client) Libraries(ctx context.Context) iter.Seq2[Library, error] {
	return objects[Library](ctx, c, "/libraries", nil)
}

// AddLibrary adds a version of a library.
func (c *Client) AddLibrary(ctx context.Context, id tandem.LibraryID, code string) (Library, error) {
	in := sent{Type: "library", Attributes: map[string]string{"name": id.Name, "version": id.Version, "code": code}}
	return object[Library](ctx, c, call{method: "POST", path: "/libraries", in: in})
}

// WebhookChange has what is to be set of a webhook; nil leaves it as it is.
type WebhookChange struct {
	URL         *string `json:"url,omitempty"`
	Event       *string `json:"event,omitempty"` // cannot be changed
	ContentType *string `json:"content_type,omitempty"`
}

// Webhooks returns the webhooks of a group; "" for all.
func (c *Client) Webhooks(ctx context.Context, group string) iter.Seq2[Webhook, error] {
	return objects[Webhook](ctx, c, "/webhooks", map[string]string{"devicegroup.id": group})
}

// Webhook returns a webhook.
func (c *Client) Webhook(ctx context.Context, id string) (Webhook, error) {
	return object[Webhook](ctx, c, call{method: "GET", path: at("webhooks", id)})
}

// AddWebhook makes a webhook of a group.
func (c *Client) AddWebhook(ctx context.Context, group string, w WebhookChange) (Webhook, error) {
	in := sent{Type: "webhook", Attributes: w, Relationships: map[string]Ref{
		"devicegroup": {Type: "devicegroup", ID: group},
	}}
	return object[Webhook](ctx, c, call{method: "POST", path: "/webhooks", in: in})
}

// ChangeWebhook changes a webhook.
func (c *Client) ChangeWebhook(ctx context.Context, id string, w WebhookChange) (Webhook, error) {
	in := sent{Type: "webhook", ID: id, Attributes: w}
	return object[Webhook](ctx, c, call{method: "PATCH", path: at("webhooks", id), in: in})
}

// RemoveWebhook deletes a webhook, with what it has not delivered.
func (c *Client) RemoveWebhook(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("webhooks", id)}, nil)
}

// Deliveries returns what a webhook has not delivered, the newest first.
func (c *Client) Deliveries(ctx context.Context, webhook string) iter.Seq2[Delivery, error] {
	return objects[Delivery](ctx, c, at("webhooks", webhook, "deliveries"), nil)
}

// Authority returns the certificate of the installation's authority for devices.
func (c *Client) Authority(ctx context.Context) (PEM, error) {
	return object[PEM](ctx, c, call{method: "GET", path: "/authority"})
}

// Cluster returns the state of the cluster.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	return object[Cluster](ctx, c, call{method: "GET", path: "/cluster"})
}

// Drain moves all agents of a node to other nodes.
func (c *Client) Drain(ctx context.Context, node string) error {
	return c.do(ctx, call{method: "POST", path: at("cluster", "nodes", node, "drain")}, nil)
}

// Undrain lets a drained node get agents again.
func (c *Client) Undrain(ctx context.Context, node string) error {
	return c.do(ctx, call{method: "POST", path: at("cluster", "nodes", node, "undrain")}, nil)
}

// DeviceFilter selects devices; what is empty selects all.
type DeviceFilter struct {
	Product, Group string
	GroupType      string // with the suffix _devicegroup
	Unassigned     bool
}

// Devices returns devices.
func (c *Client) Devices(ctx context.Context, f DeviceFilter) iter.Seq2[Device, error] {
	filters := map[string]string{"product.id": f.Product, "devicegroup.id": f.Group, "devicegroup.type": f.GroupType}
	if f.Unassigned {
		filters["devicegroup.owner.id"] = "null"
	}
	return objects[Device](ctx, c, "/devices", filters)
}

// Device returns a device by its id, its agent's id or its MAC address.
func (c *Client) Device(ctx context.Context, id string) (Device, error) {
	return object[Device](ctx, c, call{method: "GET", path: at("devices", id)})
}

// AddDevice makes a device in a group; only this answer has its key.
func (c *Client) AddDevice(ctx context.Context, group, name string) (Device, error) {
	in := sent{Type: "device", Attributes: map[string]string{"name": name}, Relationships: map[string]Ref{
		"devicegroup": {Type: "devicegroup", ID: group},
	}}
	return object[Device](ctx, c, call{method: "POST", path: "/devices", in: in})
}

// RenameDevice gives a device another name, or none.
func (c *Client) RenameDevice(ctx context.Context, id, name string) (Device, error) {
	in := sent{Type: "device", ID: id, Attributes: map[string]string{"name": name}}
	return object[Device](ctx, c, call{method: "PATCH", path: at("devices", id), in: in})
}

// RemoveDevice deletes an unassigned device with its log and its agent's state.
func (c *Client) RemoveDevice(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("devices", id)}, nil)
}

// Restart restarts a side of a pair: agent, device, or "" for both. With giveUpSaved the agent
// starts without what is damaged of what it has saved.
func (c *Client) Restart(ctx context.Context, device, side string, giveUpSaved bool) error {
	query := url.Values{}
	if side != "" {
		query.Set("side", side)
	}
	if giveUpSaved {
		query.Set("give_up_saved", "")
	}
	return c.do(ctx, call{method: "POST", path: at("devices", device, "restart"), query: query}, nil)
}

// RestartConditionally makes both sides of a pair run the group's code; what runs can choose the
// time.
func (c *Client) RestartConditionally(ctx context.Context, device string) error {
	return c.do(ctx, call{method: "POST", path: at("devices", device, "conditional_restart")}, nil)
}

// History returns what has happened to a device, the newest first.
func (c *Client) History(ctx context.Context, device string) iter.Seq2[DeviceEvent, error] {
	return objects[DeviceEvent](ctx, c, at("devices", device, "history"), nil)
}

// Logs returns a device's log, the newest line first.
func (c *Client) Logs(ctx context.Context, device string) iter.Seq2[tandem.LogEntry, error] {
	return objects[tandem.LogEntry](ctx, c, at("devices", device, "logs"), nil)
}

// RotateKey gives a device a new key. With print the answer has it, and the old one stays valid for
// a time.
func (c *Client) RotateKey(ctx context.Context, device string, print bool, within time.Duration) (Credentials, error) {
	in := sent{Type: "key", Attributes: map[string]any{"print": print, "within": within.Seconds()}}
	return object[Credentials](ctx, c, call{method: "POST", path: at("devices", device, "key"), in: in})
}

// Credentials returns what a device can show.
func (c *Client) Credentials(ctx context.Context, device string) (Credentials, error) {
	return object[Credentials](ctx, c, call{method: "GET", path: at("devices", device, "credentials")})
}

// Revoke makes a device's key and certificates worthless.
func (c *Client) Revoke(ctx context.Context, device string) error {
	return c.do(ctx, call{method: "POST", path: at("devices", device, "revoke")}, nil)
}

// AddCertificate issues a certificate for a request, PKCS #10 in DER, in base64.
func (c *Client) AddCertificate(ctx context.Context, device, csr string) (PEM, error) {
	in := sent{Type: "certificate", Attributes: map[string]string{"csr": csr}}
	return object[PEM](ctx, c, call{method: "POST", path: at("devices", device, "certificates"), in: in})
}

// RevokeCertificate revokes a certificate of a device.
func (c *Client) RevokeCertificate(ctx context.Context, device, fingerprint string) error {
	return c.do(ctx, call{method: "DELETE", path: at("devices", device, "certificates", fingerprint)}, nil)
}

// Claims returns the claim codes, without the codes.
func (c *Client) Claims(ctx context.Context) iter.Seq2[Claim, error] {
	return objects[Claim](ctx, c, "/claims", nil)
}

// NewClaims are claim codes to make: for new devices of a group, or for one device.
type NewClaims struct {
	Group, Device string // ids; one of them
	Count         int    // 0: one
	Expires       time.Duration
	Name          string // of the new device
}

// AddClaims makes claim codes; only this answer has the codes.
func (c *Client) AddClaims(ctx context.Context, n NewClaims) ([]Claim, error) {
	in := sent{
		Type:       "claim",
		Attributes: map[string]any{"count": n.Count, "expires_in": n.Expires.Seconds(), "name": n.Name},
		Relationships: related(map[string]Ref{
			"devicegroup": {Type: "devicegroup", ID: n.Group}, "device": {Type: "device", ID: n.Device},
		}),
	}
	var out document[[]flat[Claim]]
	if err := c.do(ctx, call{method: "POST", path: "/claims", in: document[sent]{in}}, &out); err != nil {
		return nil, err
	}
	list := make([]Claim, len(out.Data))
	for i, x := range out.Data {
		list[i] = x.value
	}
	return list, nil
}

// RemoveClaim revokes an unused claim code.
func (c *Client) RemoveClaim(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("claims", id)}, nil)
}

// Provision makes devices in a group, all or none.
func (c *Client) Provision(ctx context.Context, group string, list []Newcomer) (Provisioned, error) {
	in := sent{Type: "provisioning", Attributes: map[string]any{"devices": list}, Relationships: map[string]Ref{
		"devicegroup": {Type: "devicegroup", ID: group},
	}}
	return object[Provisioned](ctx, c, call{method: "POST", path: "/provision", in: in})
}

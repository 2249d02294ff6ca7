package client

import (
	"context"
	"iter"
	"time"
)

// Scope is what is shared: a device group, a product with all that is in it, or all of an account.
// Of its members one is set.
type Scope struct{ Group, Product, Owner string }

func (p Scope) filters() map[string]string {
	return map[string]string{"devicegroup.id": p.Group, "product.id": p.Product, "owner.id": p.Owner}
}

func (p Scope) related() map[string]Ref {
	return related(map[string]Ref{
		"devicegroup": {Type: "devicegroup", ID: p.Group}, "product": {Type: "product", ID: p.Product},
		"owner": {Type: "account", ID: p.Owner},
	})
}

// Collaborator is an account with a role at a place of another one.
type Collaborator struct {
	ID       string `json:"id"`
	Role     string `json:"role"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Owner    *Ref   `json:"owner,omitempty"` // whose place it is
	Product  *Ref   `json:"product,omitempty"`
	Group    *Ref   `json:"devicegroup,omitempty"`
}

// Collaborators returns who has a role at a place.
func (c *Client) Collaborators(ctx context.Context, p Scope) iter.Seq2[Collaborator, error] {
	return objects[Collaborator](ctx, c, "/collaborators", p.filters())
}

// Shared returns the caller's roles at places of others.
func (c *Client) Shared(ctx context.Context) iter.Seq2[Collaborator, error] {
	return objects[Collaborator](ctx, c, "/collaborators", map[string]string{"member.id": "me"})
}

// AddCollaborator gives an account, by its user name or e-mail address, a role at a place.
func (c *Client) AddCollaborator(ctx context.Context, name, role string, p Scope) (Collaborator, error) {
	in := sent{
		Type: "collaborator", Attributes: map[string]string{"username": name, "role": role}, Relationships: p.related(),
	}
	return object[Collaborator](ctx, c, call{method: "POST", path: "/collaborators", in: in})
}

// ChangeCollaborator changes a role.
func (c *Client) ChangeCollaborator(ctx context.Context, id, role string) (Collaborator, error) {
	in := sent{Type: "collaborator", ID: id, Attributes: map[string]string{"role": role}}
	return object[Collaborator](ctx, c, call{method: "PATCH", path: at("collaborators", id), in: in})
}

// RemoveCollaborator ends a role.
func (c *Client) RemoveCollaborator(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("collaborators", id)}, nil)
}

// Invitation is a link that gives a role at a place, or an account alone. URL is set when it is made.
type Invitation struct {
	ID      string     `json:"id"`
	Role    string     `json:"role"`
	Email   string     `json:"email"`
	Expires time.Time  `json:"expires_at"`
	Used    *time.Time `json:"used_at"`
	URL     string     `json:"url,omitempty"`
}

// Invitations returns the invitations to a place.
func (c *Client) Invitations(ctx context.Context, p Scope) iter.Seq2[Invitation, error] {
	return objects[Invitation](ctx, c, "/invitations", p.filters())
}

// AddInvitation makes a link that is good for a time. Without a role it is for an account alone.
func (c *Client) AddInvitation(
	ctx context.Context, role, email string, p Scope, life time.Duration,
) (Invitation, error) {
	attributes := map[string]any{"email": email, "expires_in": life.Seconds()}
	in := sent{Type: "invitation", Attributes: attributes}
	if role != "" {
		attributes["role"] = role
		in.Relationships = p.related()
	}
	return object[Invitation](ctx, c, call{method: "POST", path: "/invitations", in: in})
}

// RemoveInvitation withdraws an invitation.
func (c *Client) RemoveInvitation(ctx context.Context, id string) error {
	return c.do(ctx, call{method: "DELETE", path: at("invitations", id)}, nil)
}

// NewAccount has what an account is made of.
type NewAccount struct{ Name, Email, Password string }

// Accept uses the token of an invitation for the account that is logged in, or, for a client without a
// login, for one that is made.
func (c *Client) Accept(ctx context.Context, token string, made NewAccount) (Account, error) {
	in := map[string]string{"token": token}
	k := call{method: "POST", path: "/invitations/accept", in: in}
	if c.login != (Login{}) {
		return object[Account](ctx, c, k)
	}
	in["username"] = made.Name
	in["email"] = made.Email
	in["password"] = made.Password
	var out document[flat[Account]]
	err := c.attempt(ctx, k, &out)
	return out.Data.value, err
}

// AuditEntry is a change that an account, or a device, has made.
type AuditEntry struct {
	ID     string         `json:"id"`
	At     time.Time      `json:"at"`
	Actor  *string        `json:"actor"` // user name; nil: a device
	Source string         `json:"source"`
	Action string         `json:"action"`
	Kind   *string        `json:"kind"` // of what was changed
	Object *string        `json:"object"`
	Before map[string]any `json:"before"`
	After  map[string]any `json:"after"`
}

// Audit returns the changes at a place, the newest first. The zero Scope is that of all accounts, for
// administrators.
func (c *Client) Audit(ctx context.Context, p Scope) iter.Seq2[AuditEntry, error] {
	if p == (Scope{}) {
		p.Owner = "any"
	}
	return objects[AuditEntry](ctx, c, "/audit", p.filters())
}

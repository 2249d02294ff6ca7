package central

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// joinPath is where links of invitations lead.
const joinPath = "/join"

//go:embed join.html
var joinText string

var joinPage = template.Must(template.New("join").Parse(joinText))

// joinPolicy is the Content-Security-Policy of the page, which has a style and a form.
var joinPolicy = func() string {
	_, rest, _ := strings.Cut(joinText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
}()

// joining is what the page shows.
type joining struct {
	URL, Token, Username, Email string
	Role                        record.Role
	SetUp, Open, Done           bool // for an account that exists; the link is good; it was used
	Problem                     string
}

// Joins reports whether a request is for the page of an invitation.
func Joins(r *http.Request) bool { return r.URL.Path == joinPath }

// Join answers with the page of an invitation, on which a person chooses a name and a password.
func (s *Service) Join(w http.ResponseWriter, r *http.Request) {
	page := joining{URL: s.URL, Token: r.URL.Query().Get("token")}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, maxOpenBody)
		n := Newcomer{
			r.PostFormValue("token"), r.PostFormValue("username"), r.PostFormValue("email"), r.PostFormValue("password"),
		}
		page.Token = n.Token
		page.Username, page.Email = n.Username, n.Email
		trail := &store.Trail{
			ActorName: n.Username, Source: s.Proxies.ClientAddress(r).String(), Action: "POST " + joinPath,
		}
		a, err := s.accept(store.WithTrail(r.Context(), trail), r, n, "")
		if err == nil {
			page.Done, page.Username = true, a.Username
		} else {
			status, page.Problem = joinProblem(err)
		}
	}
	if !page.Done {
		if err := s.lookAtInvitation(r, &page); err != nil && page.Problem == "" {
			status, page.Problem = joinProblem(err)
		}
	}
	var text bytes.Buffer
	if err := joinPage.Execute(&text, page); err != nil {
		panic(err) // the page above is wrong
	}
	h := w.Header()
	h.Set("Content-Security-Policy", joinPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // an error means that the client has disconnected
}

// lookAtInvitation fills in what the page says of an invitation that is good.
func (s *Service) lookAtInvitation(r *http.Request, page *joining) error {
	return s.login(r, page.Token, func() error {
		i, err := s.Store.InvitationWith(r.Context(), page.Token)
		if tandem.KindOf(err) == tandem.NotFound {
			return tandem.Errorf(tandem.NotFound, "This link was used, was withdrawn, or has expired. Ask for another one.")
		}
		if err != nil {
			return err
		}
		page.Open, page.Role = true, i.Role
		if page.Email == "" {
			page.Email = i.Email
		}
		if i.Account == "" {
			return nil
		}
		a, err := s.Store.Account(r.Context(), i.Account)
		page.SetUp, page.Username = true, a.Username
		return err
	})
}

// joinProblem returns what a person is told of an error.
func joinProblem(err error) (status int, text string) {
	var wait *slowed
	if errors.As(err, &wait) {
		return http.StatusTooManyRequests, wait.Error()
	}
	kind := tandem.KindOf(err)
	if kind == tandem.Internal {
		return http.StatusInternalServerError, "The server met an error; its log has more."
	}
	return statuses[kind].status, failureOf(err).Detail
}

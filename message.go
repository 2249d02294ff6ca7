package tandem

import (
	"io"
	"time"
)

// Format says how the data of a message is encoded.
type Format uint8

const (
	// FormatJSON is JSON text. Data that is not valid JSON counts as a string, or
	// as a blob where it is not UTF-8; empty data counts as null.
	FormatJSON Format = iota
	// FormatCompact is the compact encoding of package codec.
	FormatCompact
	// FormatCBOR is CBOR, RFC 8949.
	FormatCBOR
)

// Content types of the formats, as MQTT 5 carries them.
const (
	ContentJSON    = "application/json"
	ContentCompact = "application/vnd.tandem.squirrel"
	ContentCBOR    = "application/cbor"
)

// Message is one message between a device and its agent.
type Message struct {
	// Name is in the wire form; see EscapeName. That of a line for the log is its Where as
	// JSON, "" if it has none.
	Name   string
	Format Format
	Data   []byte
	Mark   Mark // zero when the sender does not number its messages
	// Incarnation is the sending agent's; zero from devices.
	Incarnation uint64
	// Post is not zero for a tandem.post, which is kept until it is handled.
	// The numbers of an agent's posts grow; all posts of a device have the same.
	Post uint64
	// After is the number of the agent's previous post, unless that is known to
	// be handled.
	After uint64
	// Written is when a line for the log was written, in milliseconds since 1970; 0: it comes at
	// once, or that is not known.
	Written int64 `cbor:",omitempty"`
}

// Mark numbers a device's messages: by boot, and within a boot from 1. Marks are
// ordered by boot, then by sequence.
type Mark struct {
	Boot uint64 `json:"boot"` // 0: not numbered
	Seq  uint64 `json:"seq"`
}

// MaxBoot bounds the numbers of boots that a device can count on from.
const MaxBoot = 1 << 62

// After reports whether m was sent after o.
func (m Mark) After(o Mark) bool {
	return m.Boot > o.Boot || m.Boot == o.Boot && m.Seq > o.Seq
}

// Request is an HTTP request to an agent.
type Request struct {
	Method  string
	Path    string              // without the agent's id; "" or begins with a slash
	Query   string              // raw, without the question mark
	Headers map[string][]string // names as received; several values of a header are joined for the agent
	Body    []byte
	Proto   string // "http" or "https", as the client used it
	From    string // IP address of the client
}

// Response is an agent's answer, or the result of an outgoing request.
type Response struct {
	Status  int // below 100: a libcurl error number
	Headers []Header
	Body    []byte

	release func() // nil: it need not be told
}

// Hold gives a response a function to be called when it has been handled, so that its bytes
// count until then. The function may be called more than once.
func (r *Response) Hold(release func()) { r.release = release }

// Releaser returns the function to be called when the response has been handled, nil if it
// need not be told.
func (r *Response) Releaser() func() { return r.release }

// Header is one header line.
type Header struct{ Name, Value string }

// Fetch is an outgoing HTTP request of an agent.
type Fetch struct {
	Method   string
	URL      string
	Headers  []Header
	Body     []byte
	Chunks   io.Reader     // instead of Body; it is sent in chunks as it can be read
	Timeout  time.Duration // 0: none
	Validate bool          // verify the server's certificate
	Stream   bool          // deliver the body in pieces as they arrive
	Agent    AgentID       // whose request it is, for limits; set by its host
}

// Libcurl's numbers for the failures of a Fetch, used in place of an HTTP status.
const (
	FetchUnsupportedProtocol = 1
	FetchBadURL              = 3
	FetchHostNotFound        = 6
	FetchNoConnection        = 7
	FetchRefused             = 9 // the address is not one an agent may reach
	FetchTimeout             = 28
	FetchWrongHost           = 51 // certificate of another host
	FetchEmptyReply          = 52
	FetchSendFailed          = 55
	FetchReceiveFailed       = 56
	FetchUntrusted           = 60 // certificate of an unknown authority
	FetchTooLarge            = 63
)

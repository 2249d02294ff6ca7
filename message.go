package tandem

import (
	"io"
	"time"
)

// Format says how the data of a message is encoded.
type Format uint8

const (
	// FormatJSON is JSON text. What is not JSON counts as a string, or as a
	// blob where it is not UTF-8 either; nothing at all counts as null.
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
	Name   string
	Format Format
	Data   []byte
	Mark   Mark // zero when the sender does not number its messages
	// Incarnation is the sending agent's; zero from devices.
	Incarnation uint64
	// Post is not zero for a tandem.post: it is kept until it has been handled.
	// The numbers of an agent's posts grow; a device's all have the same.
	Post uint64
	// After is the number of the agent's post before this one, when that has not
	// been handled as far as is known.
	After uint64
}

// Mark numbers a device's messages: the n-th that it sent since it booted.
// Boots are ordered, so marks are: later boot first, then sequence.
type Mark struct {
	Boot uint64 `json:"boot"` // 0: not numbered
	Seq  uint64 `json:"seq"`
}

// After reports whether m was sent after o.
func (m Mark) After(o Mark) bool {
	return m.Boot > o.Boot || m.Boot == o.Boot && m.Seq > o.Seq
}

// Request is an HTTP request to an agent.
type Request struct {
	Method  string
	Path    string              // without the agent's id; "" or begins with a slash
	Query   string              // raw, without the question mark
	Headers map[string][]string // names as they came; one with several values is joined for the agent
	Body    []byte
	Proto   string // "http" or "https", of the client's side
	From    string // IP address of the client
}

// Response is an agent's answer, or what an outgoing request came to.
type Response struct {
	Status  int // below 100: a libcurl error number
	Headers []Header
	Body    []byte
}

// Header is one header line.
type Header struct{ Name, Value string }

// Fetch is an outgoing HTTP request of an agent.
type Fetch struct {
	Method   string
	URL      string
	Headers  []Header
	Body     []byte
	Chunks   io.Reader     // instead of Body: it is sent in chunks as they come
	Timeout  time.Duration // 0: none
	Validate bool          // verify the server's certificate
	Stream   bool          // deliver the body in pieces as they arrive
}

// Libcurl's numbers for what can go wrong with a Fetch; they stand in for an
// HTTP status.
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

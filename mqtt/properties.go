package mqtt

// Opt is an optional value, which distinguishes absent from zero.
type Opt[T any] struct {
	Value T
	Set   bool
}

// Some returns an Opt with a value.
func Some[T any](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

// Or returns the value, or def when there is none.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.Value
	}
	return def
}

// UserProperty is a name and value with a meaning for applications. Names may repeat, and
// their order is kept.
type UserProperty struct {
	Key, Value string
}

// Properties are the v5 properties of a packet or a will. An empty string and a nil slice
// count as absent. Encoding and decoding check which properties are allowed in which
// packet.
type Properties struct {
	User            []UserProperty
	SubscriptionIDs []uint32 // at most one in SUBSCRIBE
	CorrelationData []byte
	AuthData        []byte

	ContentType      string
	ResponseTopic    string
	AssignedClientID string
	AuthMethod       string
	ResponseInfo     string
	ServerReference  string
	ReasonString     string

	MessageExpiry     Opt[uint32] // seconds
	SessionExpiry     Opt[uint32] // seconds; 0xFFFFFFFF = never
	WillDelay         Opt[uint32] // seconds
	MaximumPacketSize Opt[uint32]

	ServerKeepAlive   Opt[uint16] // seconds
	ReceiveMaximum    Opt[uint16]
	TopicAliasMaximum Opt[uint16]
	TopicAlias        Opt[uint16]

	PayloadFormat       Opt[byte] // 1 = UTF-8
	RequestProblemInfo  Opt[byte]
	RequestResponseInfo Opt[byte]
	MaximumQoS          Opt[byte]
	RetainAvailable     Opt[byte]
	WildcardAvailable   Opt[byte]
	SubIDAvailable      Opt[byte]
	SharedSubsAvailable Opt[byte]
}

// Get returns the value of the first user property with this name. It may be
// called on nil.
func (p *Properties) Get(key string) (string, bool) {
	if p != nil {
		for _, u := range p.User {
			if u.Key == key {
				return u.Value, true
			}
		}
	}
	return "", false
}

// given returns p, or empty properties for nil.
func (p *Properties) given() *Properties {
	if p == nil {
		return &Properties{}
	}
	return p
}

// Identifiers of properties.
const (
	propPayloadFormat     = 1
	propMessageExpiry     = 2
	propContentType       = 3
	propResponseTopic     = 8
	propCorrelationData   = 9
	propSubscriptionID    = 11
	propSessionExpiry     = 17
	propAssignedClientID  = 18
	propServerKeepAlive   = 19
	propAuthMethod        = 21
	propAuthData          = 22
	propRequestProblem    = 23
	propWillDelay         = 24
	propRequestResponse   = 25
	propResponseInfo      = 26
	propServerReference   = 28
	propReasonString      = 31
	propReceiveMaximum    = 33
	propTopicAliasMaximum = 34
	propTopicAlias        = 35
	propMaximumQoS        = 36
	propRetainAvailable   = 37
	propUser              = 38
	propMaximumPacketSize = 39
	propWildcardAvailable = 40
	propSubIDAvailable    = 41
	propSharedAvailable   = 42
	propCount             = 43
)

type propKind uint8

const (
	kindNone propKind = iota
	kindByte
	kindU16
	kindU32
	kindText
	kindData
	kindSubID
	kindUser
)

// Places where a property is allowed: a bit for each packet type, and bit 0, which is no
// packet's, for the will.
const (
	useWill    = 0
	forMessage = 1<<TypePublish | 1<<useWill
	forConnect = 1 << TypeConnect
	forConnack = 1 << TypeConnack
	forReason  = inBoth | inPuback | inPubrel | inSubs | inAuth
)

var properties = [propCount]struct {
	kind propKind
	use  uint16
}{
	propPayloadFormat:     {kindByte, forMessage},
	propMessageExpiry:     {kindU32, forMessage},
	propContentType:       {kindText, forMessage},
	propResponseTopic:     {kindText, forMessage},
	propCorrelationData:   {kindData, forMessage},
	propSubscriptionID:    {kindSubID, 1<<TypePublish | 1<<TypeSubscribe},
	propSessionExpiry:     {kindU32, forConnect | forConnack | inDisconnect},
	propAssignedClientID:  {kindText, forConnack},
	propServerKeepAlive:   {kindU16, forConnack},
	propAuthMethod:        {kindText, forConnect | forConnack | inAuth},
	propAuthData:          {kindData, forConnect | forConnack | inAuth},
	propRequestProblem:    {kindByte, forConnect},
	propWillDelay:         {kindU32, 1 << useWill},
	propRequestResponse:   {kindByte, forConnect},
	propResponseInfo:      {kindText, forConnack},
	propServerReference:   {kindText, forConnack | inDisconnect},
	propReasonString:      {kindText, forReason},
	propReceiveMaximum:    {kindU16, forConnect | forConnack},
	propTopicAliasMaximum: {kindU16, forConnect | forConnack},
	propTopicAlias:        {kindU16, 1 << TypePublish},
	propMaximumQoS:        {kindByte, forConnack},
	propRetainAvailable:   {kindByte, forConnack},
	propUser:              {kindUser, 0xFFFF},
	propMaximumPacketSize: {kindU32, forConnect | forConnack},
	propWildcardAvailable: {kindByte, forConnack},
	propSubIDAvailable:    {kindByte, forConnack},
	propSharedAvailable:   {kindByte, forConnack},
}

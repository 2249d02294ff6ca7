package central

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/tandem-iot/tandem"
)

// hashing has the costs of argon2id, which are written beside each hash, so that they can be
// raised: 19 MB and two passes, a moment for who knows the password and long for who guesses.
type hashing struct {
	memory uint32 // KB
	passes uint32
	lanes  uint8
}

var hashingNow = hashing{memory: 19 << 10, passes: 2, lanes: 1}

const (
	saltBytes        = 16
	hashBytes        = 32
	shortestPassword = 8
	longestPassword  = 1000 // bytes
)

// hashPassword returns what is stored of a password.
func (s *Service) hashPassword(ctx context.Context, password string) (string, error) {
	switch {
	case len(password) < shortestPassword:
		return "", tandem.Errorf(tandem.Invalid, "a password has at least %d characters", shortestPassword)
	case len(password) > longestPassword:
		return "", tandem.Errorf(tandem.Invalid, "a password has at most %d bytes", longestPassword)
	}
	if err := s.begin(ctx); err != nil { // few at a time, for the memory
		return "", err
	}
	defer s.finish()
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return hashingNow.text(salt, hashingNow.hash(password, salt)), nil
}

func (h hashing) hash(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, h.passes, h.memory, h.lanes, hashBytes)
}

const hashFormat = "$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s"

func (h hashing) text(salt, hash []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf(hashFormat, h.memory, h.passes, h.lanes, b.EncodeToString(salt), b.EncodeToString(hash))
}

// hasPassword compares a password with what is stored. Without a stored one it takes as long,
// so that the time does not tell which accounts there are.
func (s *Service) hasPassword(ctx context.Context, stored, password string) (bool, error) {
	if len(password) > longestPassword {
		return false, nil
	}
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	defer s.finish()
	h, salt, want, ok := parseHash(stored)
	if !ok {
		h = hashingNow
		salt = make([]byte, saltBytes)
		want = make([]byte, hashBytes)
	}
	same := subtle.ConstantTimeCompare(h.hash(password, salt), want) == 1
	return same && ok, nil
}

func parseHash(stored string) (h hashing, salt, hash []byte, ok bool) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 {
		return h, nil, nil, false
	}
	n, err := fmt.Sscanf(strings.Join(parts[:4], "$"), "$argon2id$v=19$m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes)
	if err != nil || n != 3 || h.passes == 0 || h.lanes == 0 {
		return h, nil, nil, false
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	hash, hashErr := base64.RawStdEncoding.DecodeString(parts[5])
	return h, salt, hash, saltErr == nil && hashErr == nil && len(hash) == hashBytes
}

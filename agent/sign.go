package agent

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Signatures are made and verified within the Step: the result depends only on
// the arguments and takes milliseconds. The callback is called after the running
// handler. The credits bound what an agent can use at once: ten signatures with
// keys of 4096 bits, about 50 ms.
const (
	modePKCS1SHA256  = 1 // crypto.RSASSA_PKCS1_SHA256
	minKeyBits       = 1024
	maxKeyBits       = 4096
	maxKeySize       = 3 << 10  // bytes of DER; a key with maxKeyBits has less
	maxSignedMessage = 64 << 10 // bytes
)

const signLimited = "too many signatures: 40 credits, of which one costs the bits of its key / 1024, " +
	"come back at 2 per second"

// signFunctions sign and verify.
var signFunctions = []imp.Function{
	{
		Name: "crypto.sign", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "mode", Type: "integer", Doc: "crypto.RSASSA_PKCS1_SHA256"},
			{Name: "message", Type: "data", Doc: "at most 64 KB"},
			{Name: "privateKey", Type: "data", Doc: "RSA, 1024 to 4096 bits, as DER: PKCS #1 or PKCS #8"},
			{
				Name: "callback", Type: "function",
				Doc: "called with an error, null when there is none, and the signature, a blob",
			},
		},
		Throws: []string{"the mode is unknown", "the key is invalid", "the message has more than 64 KB"},
		Doc: "Signs a message. Signing and verifying share 40 credits; each costs the bits of its key / 1024, " +
			"and 2 credits come back every second. Beyond that the callback gets an error.",
		Source: docs + "crypto/sign", Fn: cryptoSign,
		Example: `// pem is what is between the lines BEGIN and END of the private key.
function sendSigned(message, pem) {
    crypto.sign(crypto.RSASSA_PKCS1_SHA256, message, http.base64decode(pem), function(error, signature) {
        if (error) server.error(error);
        else device.send("signature", signature);
    });
}`,
	}, {
		Name: "crypto.verify", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "mode", Type: "integer", Doc: "crypto.RSASSA_PKCS1_SHA256"},
			{Name: "message", Type: "data", Doc: "at most 64 KB"},
			{Name: "signature", Type: "data"},
			{Name: "publicKey", Type: "data", Doc: "RSA, 1024 to 4096 bits, as DER: PKIX or PKCS #1"},
			{
				Name: "callback", Type: "function",
				Doc: "called with an error, null when there is none, and whether the signature matches the message; " +
					"a callback with one parameter gets only the latter",
			},
		},
		Throws: []string{"the mode is unknown", "the key is invalid", "the message has more than 64 KB"},
		Doc: "Verifies a signature. It uses the credits of crypto.sign; without enough of them a callback with one " +
			"parameter gets false, and an error is logged.",
		Source: docs + "crypto/verify", Fn: cryptoVerify,
		Example: `function check(message, signature, publicKey) {
    crypto.verify(crypto.RSASSA_PKCS1_SHA256, message, signature, publicKey, function(error, isVerified) {
        server.log(isVerified ? "it is genuine" : "it is forged");
    });
}`,
	},
}

func cryptoSign(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	if err := signable(call, 3); err != nil {
		return call.Errorf("crypto.sign: %v", err)
	}
	key, err := privateKey(call, 3)
	if err == nil {
		err = rightSize(&key.PublicKey)
	}
	if err != nil {
		return call.Errorf("crypto.sign: %v", err)
	}
	price := float64(key.N.BitLen()) / 1024
	if _, ok := m.signing.take(m.core.Now, price); !ok {
		m.over(tandem.OverSignCredits)
		return m.later(call, 4, vm.NewString(signLimited), squirrel.Null)
	}
	if err := call.Charge(int(16_000 * price * price * price)); err != nil {
		return squirrel.Null, err
	}
	sum := sha256.Sum256(call.Bytes(2))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return m.later(call, 4, vm.NewString(err.Error()), squirrel.Null)
	}
	return m.later(call, 4, squirrel.Null, vm.NewBlob(signature))
}

func cryptoVerify(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	if err := signable(call, 3, 4); err != nil {
		return call.Errorf("crypto.verify: %v", err)
	}
	key, err := publicKey(call, 4)
	if err == nil {
		err = rightSize(key)
	}
	if err != nil {
		return call.Errorf("crypto.verify: %v", err)
	}
	tell := func(problem, verified squirrel.Value) (squirrel.Value, error) {
		if vm.Params(call.Arg(5)) == 1 {
			return m.later(call, 5, verified)
		}
		return m.later(call, 5, problem, verified)
	}
	price := float64(key.N.BitLen()) / 1024
	if _, ok := m.signing.take(m.core.Now, price); !ok {
		m.over(tandem.OverSignCredits)
		m.core.Complain("crypto.verify: "+signLimited, call.Arg(5))
		return tell(vm.NewString(signLimited), squirrel.Bool(false))
	}
	if err := call.Charge(int(5_000 * price * price)); err != nil {
		return squirrel.Null, err
	}
	sum := sha256.Sum256(call.Bytes(2))
	err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], call.Bytes(3)) // one of another size is refused
	return tell(squirrel.Null, squirrel.Bool(err == nil))
}

// signable checks the mode, the message and the other arguments that are data.
func signable(call *squirrel.Call, others ...int) error {
	if mode := call.Int(1); mode != modePKCS1SHA256 {
		return errors.New("the only mode is crypto.RSASSA_PKCS1_SHA256")
	}
	for _, i := range append(others, 2) {
		if !imp.IsData(call.VM(), call.Arg(i)) {
			return fmt.Errorf("parameter %d must be a string or a blob", i)
		}
	}
	n := call.VM().Len(call.Arg(2))
	if n > maxSignedMessage {
		return fmt.Errorf("the message has %d bytes, more than %d KB", n, maxSignedMessage>>10)
	}
	return call.Charge(nativeCost + n/4)
}

// later calls the function that is argument i with args, after the running
// handler.
func (m *Machine) later(call *squirrel.Call, i int, args ...squirrel.Value) (squirrel.Value, error) {
	if _, ok := m.core.After(0, m.core.Callback(call, i), args...); !ok {
		return call.Errorf("too many timers and results are pending")
	}
	return squirrel.Null, nil
}

var errNoKey = errors.New("this is not an RSA key in DER; give http.base64decode the text between the lines " +
	"BEGIN and END")

// der returns argument i, a key, and pays for the parsing, so much for a byte.
func der(call *squirrel.Call, i, cost int) ([]byte, error) {
	n := call.VM().Len(call.Arg(i))
	if n > maxKeySize {
		return nil, errNoKey
	}
	return call.Bytes(i), call.Charge(cost * n)
}

func privateKey(call *squirrel.Call, i int) (*rsa.PrivateKey, error) {
	der, err := der(call, i, 120) // parsing checks the numbers
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if key, ok := key.(*rsa.PrivateKey); ok {
			return key, nil
		}
	}
	return nil, errNoKey
}

func publicKey(call *squirrel.Call, i int) (*rsa.PublicKey, error) {
	der, err := der(call, i, 4)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		if key, ok := key.(*rsa.PublicKey); ok {
			return key, nil
		}
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	return nil, errNoKey
}

func rightSize(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return fmt.Errorf("the key has %d bits; it must have %d to %d", bits, minKeyBits, maxKeyBits)
	}
	return nil
}

package imp

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strconv"

	"github.com/tandem-iot/tandem/squirrel"
)

// hashCost is the fuel of a hash, beside the fuel for its data.
const hashCost = 60

const cryptoSource = "https://developer.electricimp.com/api/crypto"

// cryptoFunctions are the hashes, as crypto.X on both sides and as
// http.hash.X in the agent.
var cryptoFunctions = append(hashFunctions(), Function{
	Name: "crypto.equals", On: OnBoth, Result: "bool",
	Params:  []Param{{Name: "a", Type: "data"}, {Name: "b", Type: "data"}},
	Doc:     "Compares two strings or blobs in a time that does not depend on where they differ.",
	Source:  cryptoSource,
	Example: `server.log(crypto.equals("secret", "guess"));   // → false`,
	Fn: func(call *squirrel.Call) (squirrel.Value, error) {
		for i := 1; i <= 2; i++ {
			if !IsData(call.VM(), call.Arg(i)) {
				return notData(call, i)
			}
		}
		n := call.VM().Len(call.Arg(1))
		if n != call.VM().Len(call.Arg(2)) {
			return squirrel.Bool(false), nil
		}
		if err := call.Charge(n / 4); err != nil {
			return squirrel.Null, err
		}
		a, b := call.Bytes(1), call.Bytes(2)
		return squirrel.Bool(subtle.ConstantTimeCompare(a, b) == 1), nil
	},
})

func hashFunctions() (all []Function) {
	algorithms := []struct {
		name string
		make func() hash.Hash
	}{{"md5", md5.New}, {"sha1", sha1.New}, {"sha256", sha256.New}, {"sha512", sha512.New}}
	for _, table := range []struct {
		path string
		on   Sides
	}{{"crypto.", OnBoth}, {"http.hash.", OnAgent}} {
		for _, a := range algorithms {
			all = append(all, Function{
				Name: table.path + a.name, On: table.on, Result: "blob",
				Params: []Param{{Name: "data", Type: "data"}},
				Doc:    "The " + a.name + " hash of a string or blob.",
				Source: cryptoSource,
				Example: "local hex = \"\";\n" +
					"foreach (byte in " + table.path + a.name + "(\"hello\")) hex += format(\"%02x\", byte);",
				Fn: hashNative(a.make),
			}, Function{
				Name: table.path + "hmac" + a.name, On: table.on, Result: "blob",
				Params: []Param{{Name: "data", Type: "data"}, {Name: "key", Type: "data"}},
				Doc:    "The keyed " + a.name + " hash (HMAC) of a string or blob. The key is the second argument.",
				Source: cryptoSource,
				Example: "local proof = " + table.path + "hmac" + a.name + "(\"message\", \"key\");\n" +
					"server.log(proof.len());   // → " + strconv.Itoa(a.make().Size()),
				Fn: hmacNative(a.make),
			})
		}
	}
	return all
}

func hashNative(make func() hash.Hash) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		if !IsData(call.VM(), call.Arg(1)) {
			return notData(call, 1)
		}
		data := call.Bytes(1)
		if err := call.Charge(hashCost + len(data)/4); err != nil {
			return squirrel.Null, err
		}
		h := make()
		h.Write(data)
		return call.VM().NewBlob(h.Sum(nil)), nil
	}
}

func hmacNative(make func() hash.Hash) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		for i := 1; i <= 2; i++ {
			if !IsData(call.VM(), call.Arg(i)) {
				return notData(call, i)
			}
		}
		data, key := call.Bytes(1), call.Bytes(2)
		if err := call.Charge(2*hashCost + (len(data)+len(key))/4); err != nil {
			return squirrel.Null, err
		}
		h := hmac.New(make, key)
		h.Write(data)
		return call.VM().NewBlob(h.Sum(nil)), nil
	}
}

func notData(call *squirrel.Call, i int) (squirrel.Value, error) {
	return call.BadArg(i, "parameter %d must be a string or a blob", i)
}

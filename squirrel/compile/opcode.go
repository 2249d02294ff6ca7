package compile

// Op is an operation of the virtual machine.
//
// R[x] is a register of the running frame, K[d] a string of the program. R[0]
// is this. Where an operation names a function to call in R[a], the five
// registers from a are the frame header of the callee, R[a+5] becomes its
// this, and the arguments follow: calls copy nothing.
type Op uint8

// FrameSize is the number of registers between a callee and its this.
const FrameSize = 5

// The operations. Jumps are relative to the next instruction.
const (
	OpNop        Op = iota // nothing
	OpLoadNull             // R[a] = null
	OpLoadInt              // R[a] = d
	OpLoadFloat            // R[a] = the float with bits d
	OpLoadBool             // R[a] = b != 0
	OpLoadStr              // R[a] = K[d]
	OpLoadRoot             // R[a] = the root table
	OpMove                 // R[a] = R[b]
	OpNewCell              // R[a] = a new cell that holds null
	OpCellize              // R[a] = a new cell that holds R[a]
	OpGetCell              // R[a] = the content of cell R[b]
	OpSetCell              // content of cell R[a] = R[b]
	OpGetOuter             // R[a] = captured variable d
	OpSetOuter             // captured variable d = R[a]
	OpGetK                 // R[a] = R[b].K[d]
	OpSetK                 // R[a].K[d] = R[c]
	OpNewSlotK             // R[a].K[d] <- R[c]
	OpGet                  // R[a] = R[b][R[c]]
	OpSet                  // R[a][R[b]] = R[c]
	OpNewSlot              // R[a][R[b]] <- R[c]
	OpDelete               // R[a] = delete R[b][R[c]]
	OpPrepCallK            // R[a+5] = R[b]; R[a] = R[b].K[d]; a may be b
	OpPrepCall             // R[a+5] = R[b]; R[a] = R[b][R[c]]
	OpCall                 // R[c] = R[a](b parameters from R[a+5])
	OpTailCall             // as call to R[c], but a script function takes over the frame
	OpReturn               // return R[a], or null when b is 0
	OpAdd                  // R[a] = R[b] + R[c]
	OpSub                  // R[a] = R[b] - R[c]
	OpMul                  // R[a] = R[b] * R[c]
	OpDiv                  // R[a] = R[b] / R[c]
	OpMod                  // R[a] = R[b] % R[c]
	OpAddI                 // R[a] = R[b] + d, or R[b] - -d when c is 1
	OpMulI                 // R[a] = R[b] * d
	OpDivI                 // R[a] = R[b] / d, which is above 0
	OpModI                 // R[a] = R[b] % d, which is above 0
	OpBitAndI              // R[a] = R[b] & d
	OpShlI                 // R[a] = R[b] << d
	OpShrI                 // R[a] = R[b] >> d
	OpText                 // R[a] = what _tostring makes of R[a], where it has that
	OpConcat               // R[a] = the texts of c registers from R[b]
	OpExtend               // R[a] = R[a] + the texts of c registers from R[b]
	OpBitAnd               // R[a] = R[b] & R[c]
	OpBitOr                // R[a] = R[b] | R[c]
	OpBitXor               // R[a] = R[b] ^ R[c]
	OpShl                  // R[a] = R[b] << R[c]
	OpShr                  // R[a] = R[b] >> R[c]
	OpUshr                 // R[a] = R[b] >>> R[c]
	OpNeg                  // R[a] = -R[b]
	OpNot                  // R[a] = !R[b]
	OpBitNot               // R[a] = ~R[b]
	OpEq                   // R[a] = R[b] == R[c]
	OpNe                   // R[a] = R[b] != R[c]
	OpLt                   // R[a] = R[b] < R[c]
	OpLe                   // R[a] = R[b] <= R[c]
	OpGt                   // R[a] = R[b] > R[c]
	OpGe                   // R[a] = R[b] >= R[c]
	OpCmp                  // R[a] = R[b] <=> R[c]
	OpJump                 // jump d
	OpJumpT                // jump d when R[a] is true
	OpJumpF                // jump d when R[a] is false
	OpJumpEq               // jump d when (R[b] == R[c]) is a
	OpJumpLt               // jump d when (R[b] < R[c]) is a
	OpJumpLe               // jump d when (R[b] <= R[c]) is a
	OpJumpGt               // jump d when (R[b] > R[c]) is a
	OpJumpGe               // jump d when (R[b] >= R[c]) is a
	OpJumpEqI              // jump d when (R[b] == c) is a; c is signed in all of these
	OpJumpLtI              // jump d when (R[b] < c) is a
	OpJumpLeI              // jump d when (R[b] <= c) is a
	OpJumpGtI              // jump d when (R[b] > c) is a
	OpJumpGeI              // jump d when (R[b] >= c) is a
	OpIn                   // R[a] = R[b] in R[c]
	OpInstanceof           // R[a] = R[b] instanceof R[c]
	OpTypeof               // R[a] = typeof R[b]
	OpClone                // R[a] = clone R[b]
	OpResume               // R[a] = resume R[b]
	OpYield                // yield R[a], or null when b is 0
	OpThrow                // throw R[a]
	OpNewTable             // R[a] = a table with room for d slots
	OpNewArray             // R[a] = an array with room for d elements
	OpAppend               // append R[b] to array R[a]
	OpClosure              // R[a] = function d of the program, defaults from R[b]
	OpNewClass             // R[a] = a class; base R[b] unless b is 255; attributes R[c] unless c is 255
	OpNewMember            // class R[a]: member R[b] = R[c]; d&1 static, d&2 attributes in R[c+1]
	OpGetBase              // R[a] = the base class of the running method
	OpForeach              // next of R[a] into R[a+2] (key) and R[a+3] (value), state in R[a+1]; jump d at the end
	OpCount
)

var opNames = [OpCount]string{
	"nop", "loadnull", "loadint", "loadfloat", "loadbool", "loadstr", "loadroot", "move", "newcell",
	"cellize", "getcell", "setcell",
	"getouter", "setouter", "getk", "setk", "newslotk", "get", "set", "newslot", "delete", "prepcallk",
	"prepcall", "call", "tailcall",
	"return", "add", "sub", "mul", "div", "mod", "addi", "muli", "divi", "modi", "bitandi",
	"shli", "shri", "text", "concat", "extend", "bitand", "bitor", "bitxor", "shl", "shr", "ushr", "neg", "not", "bitnot",
	"eq", "ne", "lt", "le", "gt", "ge", "cmp", "jump", "jumpt", "jumpf", "jumpeq", "jumplt", "jumple", "jumpgt", "jumpge",
	"jumpeqi", "jumplti", "jumplei", "jumpgti", "jumpgei", "in", "instanceof", "typeof", "clone", "resume",
	"yield", "throw",
	"newtable", "newarray", "append", "closure", "newclass", "newmember", "getbase", "foreach",
}

func (o Op) String() string {
	if o < OpCount {
		return opNames[o]
	}
	return "invalid"
}

// Inst is one instruction: eight bytes.
type Inst struct {
	Op      Op
	A, B, C uint8
	D       int32
}

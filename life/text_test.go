package life

import (
	"fmt"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/codec"
)

// textOfEffect is a line of a script for an effect.
func textOfEffect(w *world, e Effect) string {
	switch e := e.(type) {
	case *Answer:
		return fmt.Sprintf("answer %d: %s", w.asked[e.Token], answerText(e.Response, e.Err))
	case *AnswerAway:
		return fmt.Sprintf("answer to %s %d: %s", e.Origin.Node, e.Origin.ID, answerText(e.Response, e.Err))
	case *Handled:
		return "handled " + w.tokens[e.Token]
	case *Forget:
		return "forget " + w.tokens[e.Token]
	case *UseLink:
		return fmt.Sprintf("use link %d", e.Ref.ID)
	case *CloseLink:
		return "close link: " + e.Why
	case *DropLink:
		return "drop link"
	case *Send:
		return sendText(e)
	case *Log:
		text := e.Type + ": " + e.Msg
		if !e.Written.IsZero() {
			text += fmt.Sprintf(" (written %v before)", e.TS.Sub(e.Written).Round(time.Millisecond))
		}
		return text
	case *Report:
		return "report: " + e.Msg + ": " + firstLine(textOf(e.Err))
	case *Over:
		return fmt.Sprintf("over %s %d", e.Limit, e.Times)
	case *Restarted:
		return "restarted " + string(e.Reason)
	case *Froze:
		return "froze"
	case *Arrived:
		return "arrived " + string(e.Why)
	case *Stopped:
		return "stopped"
	case *Stayed:
		return "stayed: " + textOf(e.Err)
	case *Left:
		if e.Moved == nil {
			return "left with nothing"
		}
		return fmt.Sprintf("left: link %s, %d requests", linkText(e.Moved.Link), len(e.Moved.Origins))
	}
	return storeText(e)
}

func answerText(r *tandem.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", r.Status, strings.TrimSpace(string(r.Body)))
}

func linkText(ref *tandem.LinkRef) string {
	if ref == nil {
		return "none"
	}
	return fmt.Sprint(ref.ID)
}

func sendText(e *Send) string {
	text := "send " + e.Topic
	m := &e.Message
	if m.Format == tandem.FormatCompact {
		text += " " + dataText(m.Data)
	} else {
		text += " " + string(m.Data)
	}
	if m.Post != 0 {
		text += fmt.Sprintf(" post %d", m.Post)
	}
	if m.After != 0 {
		text += fmt.Sprintf(" after %d", m.After)
	}
	return text
}

func dataText(data []byte) string {
	text, err := codec.TranscodeJSON(data)
	if err != nil {
		return err.Error()
	}
	if len(text) > 60 {
		return fmt.Sprintf("%.20s… (%d bytes)", text, len(text))
	}
	return string(text)
}

func storeText(e Effect) string {
	switch e := e.(type) {
	case *LoadAgent:
		return "load agent"
	case *LoadProgram:
		return "load program of " + e.Group
	case *LoadDevice:
		return "load device"
	case *LoadPosts:
		return "load posts"
	case *Begin:
		return "begin"
	case *Save:
		text := fmt.Sprintf("save %d %s", e.Incarnation, dataText(e.Table))
		if e.Mark.Boot != 0 {
			text += fmt.Sprintf(" mark %d.%d", e.Mark.Boot, e.Mark.Seq)
		}
		return text
	case *Quarantine:
		return fmt.Sprintf("quarantine in %d", e.Incarnation)
	case *KeepPost:
		return fmt.Sprintf("post %d %s %s", e.Incarnation, e.Post.Name, dataText(e.Post.Data))
	case *ForgetPost:
		return fmt.Sprintf("forget post %d", e.Seq)
	case *Seen:
		if h := e.Sighting.Heard; h.Number != 0 {
			return strings.TrimSpace(fmt.Sprintf("heard of boot %d %s", h.Number, h.ID))
		}
		return fmt.Sprintf("seen %s boot %d incarnation %d", e.Sighting.Address, e.Sighting.Boot, e.Sighting.Incarnation)
	case *TakeSnapshot:
		return "take snapshot"
	case *End:
		if len(e.Data) == 1 {
			return fmt.Sprintf("end %d, no memory", e.Incarnation)
		}
		return fmt.Sprintf("end %d", e.Incarnation)
	}
	return outwardText(e)
}

func outwardText(e Effect) string {
	switch e := e.(type) {
	case *Fetch:
		return fmt.Sprintf("fetch %d %s %s", e.ID, e.Fetch.Method, e.Fetch.URL)
	case *Upload:
		return fmt.Sprintf("upload %d %s %s", e.ID, e.Fetch.Method, e.Fetch.URL)
	case *Chunk:
		if len(e.Data) > 60 {
			return fmt.Sprintf("chunk %d of %d bytes", e.ID, len(e.Data))
		}
		return fmt.Sprintf("chunk %d %s", e.ID, e.Data)
	case *ChunksEnd:
		return fmt.Sprintf("end of chunks %d", e.ID)
	case *CancelFetch:
		return fmt.Sprintf("cancel fetch %d", e.ID)
	case *CancelAway:
		return fmt.Sprintf("cancel fetch %d at %s", e.Ref.ID, e.Ref.Node)
	case *HandOn:
		return fmt.Sprintf("hand on fetch %d", e.Ref.ID)
	case *ConnectMQTT:
		return fmt.Sprintf("mqtt %d connect %s", e.Conn, e.Connect.URL)
	case *CloseMQTT:
		return fmt.Sprintf("mqtt %d close", e.Conn)
	case *DoMQTT:
		switch x := e.Effect.(type) {
		case *agent.MQTTPublish:
			return fmt.Sprintf("mqtt %d publish %s %s", e.Conn, x.Message.Topic, x.Message.Payload)
		case *agent.MQTTSubscribe:
			return fmt.Sprintf("mqtt %d subscribe %s", e.Conn, x.Filter)
		}
		return fmt.Sprintf("mqtt %d %T", e.Conn, e.Effect)
	}
	panic(fmt.Sprintf("%T has no text", e))
}

// firstLine leaves out the stack of a fault.
func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return text
}

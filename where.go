package tandem

// Where is the place in a program that a line of its log is about. The text of the line
// is that of Electric Imp; Where is for people, and for tools that can use it.
type Where struct {
	// File is what traces name: agent_code, device_code, a library, or of a #line directive.
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"`
	Function   string `json:"function,omitempty"`   // "" in one without a name
	Deployment string `json:"deployment,omitempty"` // id of the deployment that has the code; "" when it is not known

	// Of the first line of a report only.
	During string `json:"during,omitempty"` // what the program was called for, such as `device.on("temp")`
	Source string `json:"source,omitempty"` // the line of the code, without its indent
	Plain  string `json:"plain,omitempty"`  // the error in plain words; "" when the text of the line says it
}

// WhereSize limits a Where of a device as JSON, in bytes.
const WhereSize = 4 << 10

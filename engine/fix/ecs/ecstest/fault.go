package ecstest

// Fault is something that goes wrong with a request.
type Fault struct {
	kind    faultKind
	failure failure
	reason  string
}

type faultKind int

const (
	none faultKind = iota
	fails
	loses
	hangs
	breaks
	lacks
	never
	unstarted
)

// Fault has the next n requests for an operation, such as RunTask or
// ReceiveMessage, go wrong, after those that are to go wrong already.
func (s *Server) Fault(operation string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults[operation] = append(s.faults[operation], f)
	}
}

// Mend takes back all faults that did not happen yet.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Error answers with an error; nothing is done.
func Error(status int, code, message string) Fault {
	return Fault{kind: fails, failure: failure{status: status, code: code, message: message}}
}

// Throttle answers that there are too many requests; nothing is done.
func Throttle() Fault { return Error(400, "ThrottlingException", "Rate exceeded") }

// Deny answers that it is not allowed; nothing is done.
func Deny() Fault {
	return Error(400, "AccessDeniedException", "User: arn:aws:sts::"+account+":assumed-role/app is not authorized to perform this action")
}

// Away answers that the service is not available; nothing is done.
func Away() Fault { return Error(503, "ServiceUnavailableException", "Service is unavailable") }

// Broken does it and answers with an error of the service's own.
func Broken() Fault { return Fault{kind: breaks} }

// Lost does it and closes the connection without an answer.
func Lost() Fault { return Fault{kind: loses} }

// Hanging does it and does not answer.
func Hanging() Fault { return Fault{kind: hangs} }

// Lacking is for RunTask: no task is started, and the answer, with status 200, has
// a failure with this reason. "" is for a lack of capacity.
func Lacking(reason string) Fault {
	if reason == "" {
		reason = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
	}
	return Fault{kind: lacks, reason: reason}
}

// Never is for RunTask: the task stays in PROVISIONING.
func Never() Fault { return Fault{kind: never} }

// Unstarted is for RunTask: the task stops without having started, for this reason.
func Unstarted(reason string) Fault { return Fault{kind: unstarted, reason: reason} }

// Capacity has the next n tasks find no capacity.
func (s *Server) Capacity(n int) { s.Fault("RunTask", n, Lacking("")) }

package tandem

// Names of limits, as metrics have them. docs/limits.md describes each, with
// the error or log line beyond it.
const (
	OverMemory          = "agent_memory"
	OverEventTime       = "event_time"
	OverEventData       = "event_data"
	OverSavedTable      = "saved_table"
	OverFromDevice      = "message_from_device"
	OverToDevice        = "message_to_device"
	OverDeviceBacklog   = "device_backlog"
	OverInbox           = "inbox"
	OverPosts           = "posts"
	OverSignCredits     = "sign_credits"
	OverRequestBody     = "request_body"
	OverRequestMemory   = "request_memory"
	OverPlacementWait   = "placement_wait"
	OverAnswerWait      = "answer_wait"
	OverResponseBody    = "response_body"
	OverResponseHeaders = "response_headers"
	OverTimers          = "timers"
	OverFetchCredits    = "fetch_credits"
	OverFetchesInFlight = "fetches_in_flight"
	OverNodeFetches     = "node_fetches"
	OverFetchBody       = "fetch_body"
	OverFetchResponse   = "fetch_response"
	OverFetchTime       = "fetch_time"
	OverLogRate         = "log_rate"
	OverLogLine         = "log_line"
	OverLogEvent        = "log_event"
	OverCrashes         = "crashes"
	OverFaults          = "faults"
	OverProcessor       = "processor"
	OverConnections     = "connections"
	OverListener        = "listener"
	OverLogins          = "failed_logins"
	OverSlowClient      = "slow_client"
	OverNodeRequests    = "node_requests"
	OverNodeMemory      = "node_memory"
	OverAnswerMemory    = "answer_memory"
	OverAPIBody         = "api_body"
	OverFetchMemory     = "fetch_memory"
	OverBrokers         = "broker_connections"
	OverDeviceMessages  = "device_messages"
	OverDeviceBytes     = "device_bytes"
	OverDeviceReports   = "device_reports"
	OverDeviceConnects  = "device_connects"
	OverLoginTime       = "login_time"
	OverSubscriptions   = "subscriptions"
	OverNodeConnections = "node_connections"
	OverNodeCalls       = "node_calls"
)

// Over are all the names of limits.
var Over = []string{
	OverMemory, OverEventTime, OverEventData, OverSavedTable,
	OverFromDevice, OverToDevice, OverDeviceBacklog, OverInbox, OverPosts, OverSignCredits,
	OverRequestBody, OverRequestMemory, OverPlacementWait, OverAnswerWait,
	OverResponseBody, OverResponseHeaders, OverTimers,
	OverFetchCredits, OverFetchesInFlight, OverNodeFetches, OverFetchBody, OverFetchResponse, OverFetchTime,
	OverLogRate, OverLogLine, OverLogEvent, OverCrashes, OverFaults, OverProcessor, OverConnections,
	OverListener, OverLogins, OverSlowClient, OverNodeRequests, OverNodeMemory, OverAnswerMemory, OverAPIBody,
	OverFetchMemory, OverBrokers,
	OverDeviceMessages, OverDeviceBytes, OverDeviceReports, OverDeviceConnects,
	OverLoginTime, OverSubscriptions,
	OverNodeConnections, OverNodeCalls,
}

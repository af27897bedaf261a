"""The network to a model.

endpoint         one endpoint: Endpoint.ask is the one way to a model
wire             the chat-completions protocol: bodies, answers, refusals
client           the HTTP client
network          TLS, proxy, and faults of both in words
connect          address and key: configured, or the embedded model
concurrency      calls in flight: the limit found and followed; how long refused calls wait
rate_limits      requests and tokens a minute
budget           money set aside, spent, capped
prices           USD per token of the configured models; the unit of money
single_flight    single flight: equal requests asked once
endpoint_memory  facts learned of an endpoint, kept for a day
model_list       `GET /models`
outage_notice    an endpoint that is down, told to people
cancellation     calls that end when a run is told to stop
check            `pagemill check`
"""

"""Access to a model over the network.

endpoint         one endpoint: all calls go through Endpoint.ask
wire             the chat-completions protocol: bodies, answers, refusals
client           the HTTP client
connect          address and key: configured, or the embedded model
concurrency      number of calls in flight, adapted to the endpoint
rate_limits      requests and tokens a minute
budget           money reserved, spent, capped
prices           USD per token of the configured models
in_flight        single flight: equal requests sent once
endpoint_memory  facts learned of an endpoint, kept for a day
model_list       `GET /models`
outage           notice of an endpoint that is down
cancellation     end of calls when a run is stopped
check            `pagemill check`
"""

"""Engines whose model runs elsewhere: in vLLM in this process, or on a vLLM server.

contract        what a backend does, and the errors of such engines
engine          `RemoteEngine`: sessions as transcripts, requests, retries, recovery
reading         checks of answers, before they become responses
publishing      weights: when they are published, and how an update is verified
forms           what is published: whole weights, or adapters alone
leases          adapters that are unloaded only once no order uses them
probing         the statistics of log-probabilities that show weights which did not arrive
weights_folder  weights as files: versioned, with a checksum and a marker of completeness
addresses       addresses of servers, and where weights may be published
options         checks of engines' options
vllm_wire       what vLLM is asked and what it says, in this process as on a server
http_client     calls of a server, with their errors
adapter_routes  routes by which a server loads and unloads adapters
http_engine     the engine `http`
vllm_backend    vLLM in this process
vllm_engine     the engine `vllm`
"""

"""Engines whose model runs elsewhere: in vLLM in this process, or on a vLLM server.

contract        what a backend does, and the errors of such engines
engine          `RemoteEngine`: sessions as transcripts, requests, retries, recovery
reading         checks of answers, before they become responses
publishing      weights: when they are published, and how an update is verified
probing         the statistics of log-probabilities that show weights which did not arrive
weights_folder  weights as files: versioned, with a checksum and a marker of completeness
http_client     calls of a server, with their errors
http_engine     the engine `http`
vllm_engine     the engine `vllm`
"""

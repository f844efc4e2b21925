"""What every native WebSocket shares. Knows the engine and identities, and no app.

``messages`` is the closed set of what both sides may say; ``outbox`` is how messages leave without
ever waiting for a peer; ``display`` turns the engine's news into messages; ``options`` is what can
be asked for when connecting; ``consumer`` is the socket; ``asyncapi`` describes all of it.
"""

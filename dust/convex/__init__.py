"""The door for Convex's own clients, which find here what they would at a Convex deployment.

Over a WebSocket (``consumer``) a client says which queries it watches and who it is, and asks for
mutations and actions; it is told how these have ended, and in *transitions* what its queries
answer. Each transition takes it from the version it was last told to the next: the set of queries,
the identity, and the time up to which every result is right. Nothing outlives a socket but the
answers to mutations, which are given again to whoever repeats the request. Over HTTP (``http``) a
function is called once.

The protocol itself does no I/O: text to messages and back (``codec``, ``messages``), JSON to values
and back (``values``, ``int64``), messages to what is to be done about them (``session``). What
errors say is decided in ``errors``. What a deployment elsewhere has written for a team that moves
here is read by ``exports``.

It is that of npm ``convex`` 1.31 to 1.48 and of PyPI ``convex`` 0.8, whose Rust core is the
stricter reader: protocol integers are integers, doubles have a point. Not served are components,
sets, maps, file storage, and the deploying of functions; document ids are those of ``dust.ids``.
"""

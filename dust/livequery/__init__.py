"""The live-query engine: subscribe to a function, and be told its result after every change.

An app writes ordinary Django code in ``services`` and ``queries`` and declares what clients may
call in ``functions`` (see ``registry``). It names no topics and sends no notifications. What makes
a result live:

1. *Noticing.* The database backends (``backends``) compile every ORM statement. While a query
   function runs they record what it reads, and in any transaction what is written (``capture``,
   ``changes``), both as table, pinned columns and columns concerned (``readset``). Where they
   cannot tell, they widen: a needless re-run costs time, a missed one would be a lie.
2. *Handing over.* Just before a commit its writes are stored beside it as a change row; after it
   they are told to this process, and by a hint to the others (``hints``, ``fanout``). Hints may be
   lost, rows are the truth (``catchup``).
3. *Refreshing.* What a commit touches becomes stale (``subscriptions``, ``liveset``). A cycle
   (``engine``) takes one snapshot, first applies every change row that the snapshot shows, runs the
   stale queries in it and sends each socket its news in one piece. While a cycle runs, commits
   gather for the next, so a hot board is run as often as cycles fit and not once for each write.
4. *Sharing.* Equal calls by callers that the function does not tell apart have one result, run once
   and encoded once for each process (``live``, ``context``).

What is to happen later (``scheduler``) is a row that commits with whatever scheduled it. Workers
(``worker``), inside the processes that serve or in some of their own, claim such jobs when they are
due (``jobs``), run mutations exactly once and actions at most once, and fire what is declared to
be run again and again (``crons``).

Writes go through ``writing.run_write``: serializable unless they say otherwise, retried as a
whole, and once per request key. Outside the ORM, raw SQL says what it reads (``capture.reading``)
and wrote (``changes.wrote``). Inside a query function, caches hide reads and must not be used.

This package imports nothing here, since Django loads the backends before any app is ready.
"""

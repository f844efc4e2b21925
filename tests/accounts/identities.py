"""The cast: people as their tokens describe them."""

from dust.identity import Identity

CLERK = "https://clerk.example"

alice = Identity(CLERK, "user_alice", {"nickname": "alice", "picture": "https://img.clerk.com/a"})
bob = Identity(CLERK, "user_bob", {"name": "Bob"})
namesake = Identity("https://other.example", "user_alice", {"name": "Alice"})

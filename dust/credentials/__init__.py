"""Credentials of ours: tokens that are told once, of which only a digest is kept.

A token is ``<prefix>_<handle><separator><secret>``. The handle finds the row and may be shown; the
secret is 256 random bits. What a credential is good for is its app's business.
"""

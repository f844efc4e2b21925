"""What every REST view shares: how it is declared, who may call it, how it fails, how it writes.

Settings name classes of this package, so nothing is imported here: see ``views`` for where to
start.
"""

"""Django's own database backends, with compilers that notice what they read and write.

``reads`` and ``writes`` hold the compilers, ``where`` understands conditions, ``connection`` minds
the transactions. One package for each database, to be named by ``ENGINE``, puts them on top of
Django's.
"""

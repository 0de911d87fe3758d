"""The store in one SQLite file, which several processes of one machine may share. No other package knows SQLite.

`store.open_sqlite` opens it; `orphans` may be asked before that.
"""

"""Backups of a broker: all that makes a pool, in one file, of either database and for either.

archive   the file: lines of JSON, compressed, with a checksum at its end
saving    a database's rows, the signing key and the first admin's token, into such a file
restoring out of it, into an empty database
"""

"""The JSON documents of the command line, as types from which their JSON Schemas are made.

records   what brokers tell, as the REST API has it
commands  the document of each command

Keys are only ever added, and none is renamed, so a document carries no version: there is nothing that it
could tell a program which the keys do not. Schemas allow keys that they do not name.
"""

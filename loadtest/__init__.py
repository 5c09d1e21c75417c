"""The measurements: Litmus and its peers, side by side. README.md tells how they are made and how to read them.

compare.py  the command: python -m loadtest.compare
apps.py     the application that all servers serve
servers.py  how each server is started, asked, and ended
wrk.py      the load generator
machine.py  the machine: what it is, and which processors are used
report.py   samples, medians, the table
"""

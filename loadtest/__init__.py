"""The measurements: Litmus and its peers, side by side. README.md tells how they are made and how to read them.

compare.py    a command: whole servers under the load of another process
serving.py    a command: what serving a request takes in one process
command.py    what the commands have in common
apps.py       the application that all servers serve
installed.py  which servers are installed, and where
servers.py    how each server is started, asked, and ended
wrk.py        the load generator
inside.py     server and client by turns in one thread
workloads.py  what is asked there
machine.py    the machine: what it is, and which processors are used
report.py     samples, medians, the table
processes.py  running commands
"""

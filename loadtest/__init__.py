"""The measurements: Litmus and its peers, side by side. README.md tells how they are made and how to read them.

The commands:

compare.py    whole servers under load, one workload after the other
serving.py    what serving a request takes in one process
idle.py       what an idle connection costs in memory
slow.py       what others notice of clients that are slow on purpose

What is asked, and who answers:

workloads.py  the requests, and the right answers
apps.py       the applications that all servers serve
servers.py    which servers there are, and how each is started
nginx.py      the configuration of the yardstick
installed.py  which servers are installed, in which versions
running.py    a server's life: started, checked, ended

Who asks:

wrk.py        the load generator, with requests.lua
h2load.py     the load generator for HTTP/2
generators.py what the two have in common
wsload.py     the load generator for WebSocket, one of our own
openloop.py   a client with a fixed rate, for latencies
transfer.py   a client for large bodies
crowd.py      many connections
attack.py     slow clients
asking.py     one question, and whether its answer is right
answers.py    answers of HTTP/1.1
websocket.py  the client's side of WebSocket
inside.py     server and client by turns in one thread

How it is measured and shown:

measures.py   one way for each kind of workload
metering.py   who took how much of the processors
machine.py    the machine: what it is, and which processors are used
report.py     samples, medians, ratios, the table
plot.py       the picture
command.py    what the commands have in common
processes.py  running commands
"""

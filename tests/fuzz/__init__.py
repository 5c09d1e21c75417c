"""Coverage-guided fuzzing: what may be thrown at the parts that read what strangers write.

``make fuzz`` (with ``TARGET=http1``, ``connection``, ``settings``, ``hpack``, ``http2`` or ``websocket``, and
``SECONDS=60``) runs a target under atheris on the interpreted modules, and enters what reaches new code into
``corpus/``. ``make test`` replays the corpus.
"""

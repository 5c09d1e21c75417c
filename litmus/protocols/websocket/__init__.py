"""WebSocket (RFC 6455) with permessage-deflate (RFC 7692), from a server's side.

``handshake`` finds out what a client asks for, ``connection`` is what goes on from there. It is built on the reader of
frames (``reading``) and on what frames look like (``frames``, ``masking``, ``closing``, ``deflate``).
"""

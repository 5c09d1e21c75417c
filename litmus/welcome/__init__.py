"""The welcome application, ``litmus.welcome:app``: what a server without an application of its own shows.

A page with the live state of the server, drawn from the same report as ``litmusctl stats``. It is also an example of a
plain ASGI application: no framework, nothing but the three arguments of the specification.

    application.py  the ASGI side: routes, headers, lifespan
    page.py         fills the page's fields
    page.html, page.css, page.js   the page; joined into one document that refers to nothing outside itself
"""

from litmus.welcome.application import app

__all__ = ["app"]

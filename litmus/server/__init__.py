"""Between the protocol machines and the application: connections, exchanges, scopes, deadlines, the access log."""

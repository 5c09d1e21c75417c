"""How an application is loaded and called."""

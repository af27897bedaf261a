"""How each sample document is drawn: fictional companies, invented figures, one layout a module."""

"""WebShop on the command line."""

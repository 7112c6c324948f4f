"""The command line of WebShop."""

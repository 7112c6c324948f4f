"""The commands of `anchorgym webshop`, a module each."""

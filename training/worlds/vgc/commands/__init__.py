"""The commands of `anchorgym vgc`, a module each."""

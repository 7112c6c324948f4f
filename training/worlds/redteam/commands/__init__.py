"""The commands of `anchorgym redteam`, a module each."""

"""Methods that draw images token by token, one file each."""

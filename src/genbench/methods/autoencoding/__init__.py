"""Methods that encode images and decode them again, one file each."""

"""A terminal interface to the journey, for those who like to look around; needs the extra `tui`."""

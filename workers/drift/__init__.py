"""The drift watch: a reference of what the text looked like, windows compared with it, and candidates for campaigns."""

# For a few users.
name = "taskoverflow-small"
size = "small"

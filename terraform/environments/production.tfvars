# With a standby of everything: two API tasks, and a second database in another availability zone.
name = "taskoverflow"
size = "production"

# With a standby of everything: two API tasks, and a second database in another availability zone.
name                 = "taskoverflow"
database_class       = "db.t4g.small"
database_multi_az    = true
database_backup_days = 14
api_count            = { min = 2, max = 4 }
worker_count         = { min = 1, max = 5 }
log_days             = 90
container_insights   = true

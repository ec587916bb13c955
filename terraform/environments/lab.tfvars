# For an AWS Academy Learner Lab, or for as little money as possible: one task of each, and backups of one day.
name                 = "taskoverflow-lab"
database_class       = "db.t3.micro"
database_backup_days = 1
protect_database     = false
autoscaling          = false
api_count            = { min = 1, max = 1 }
worker_count         = { min = 1, max = 1 }
log_days             = 7

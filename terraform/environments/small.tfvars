# For a few users: one API task at most times, and more workers when jobs wait.
name           = "taskoverflow-small"
database_class = "db.t4g.micro"
api_count      = { min = 1, max = 2 }
worker_count   = { min = 1, max = 3 }
